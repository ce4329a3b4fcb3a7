// SPDX-License-Identifier: GPL-2.0-or-later
//
// ftctl and ftd as an operator meets them: real programs, no engine. What is
// refused is refused in one line with exit code 2, and nothing changes.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "cli/ftd_for_test.h"

namespace ft::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class FtctlTest : public ::testing::Test {
 protected:
  void Start() { ASSERT_TRUE(ftd_.Start()) << ftd_.Log(); }

  static std::string VmFile(const std::string& more = "") {
    return "name = \"vm1\"\nkernel = \"/dev/null\"\n" + more;
  }

  // Everything below state_dir and shared_dir, without what ftd is about to
  // rename into place: it saves a VM's state beside answering its verbs.
  std::string Snapshot() const {
    std::string text;
    for (const char* name : {"state", "shared"}) {
      if (!fs::exists(ftd_.dir() / name)) continue;
      for (const auto& entry :
           fs::recursive_directory_iterator(ftd_.dir() / name)) {
        if (entry.path().extension() == ".new") continue;
        text += entry.path().string() + "\n";
      }
    }
    return text;
  }

  void ExpectRefused(const std::vector<std::string>& arguments,
                     const std::string& words, int exit_code = 2) {
    std::string before = Snapshot();
    Finished result = ftd_.Ftctl(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err.substr(0, 7), "ftctl: ") << result.err;
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
    EXPECT_THAT(result.err, HasSubstr(words));
    EXPECT_THAT(result.err, HasSubstr("; ")) << "no remedy";
    EXPECT_EQ(Snapshot(), before);
  }

  void ExpectDefineRefused(const std::string& text, const std::string& words) {
    ExpectRefused({"define", ftd_.Write("vm1.toml", text)}, words);
  }

  FtdForTest ftd_;
};

TEST_F(FtctlTest, NoFtdIsSaidWithItsSocket) {
  ExpectRefused({"status"}, "no ftd answers at " + ftd_.socket_path() +
                                "; start it with ftd --config FILE");
}

TEST_F(FtctlTest, UnknownVmIsRefusedByEveryVerb) {
  Start();
  for (const char* verb : {"start", "stop", "disable", "failover", "status",
                           "events", "undefine"}) {
    ExpectRefused({verb, "vm7"}, "hostA has no VM vm7");
  }
  ExpectRefused({"enable", "vm7", "--backup", "hostB"}, "vm7");
}

TEST_F(FtctlTest, VmFilesAreRefusedWithOneLine) {
  Start();
  ExpectDefineRefused("name = \"vm1\"\nkernel = \"/nowhere/vmlinuz\"\n",
                      "/nowhere/vmlinuz");
  ExpectDefineRefused(VmFile("vcpus = 2\n"), "set vcpus = 1");
  ExpectDefineRefused(VmFile("[[device]]\nmodel = \"vhost-net\"\n"),
                      "vhost-net");
  ExpectDefineRefused("name = \n", "vm1.toml:1");
  ExpectDefineRefused(VmFile("[[device]]\nmodel = \"x\\n\\u001b[2J\"\n"),
                      "device (unnamed) cannot be replayed");
  ExpectRefused({"define", "/nowhere/vm1.toml"}, "/nowhere/vm1.toml");
}

// It aborted, and left every VM of the host without protection.
TEST_F(FtctlTest, VmFileWithAKeyThatIsNoneDoesNotStopFtd) {
  Start();
  ExpectDefineRefused(VmFile("[=\n"), "vm1.toml:3: ");
  ExpectDefineRefused(VmFile("memory_mib = 64\u03f9\n"), "vm1.toml:3: ");
  EXPECT_EQ(ftd_.Ftctl({"version"}).exit_code, 0);
}

TEST_F(FtctlTest, BadUsageIsRefused) {
  ExpectRefused({}, "see ftctl --help");
  ExpectRefused({"start"}, "VM");
  ExpectRefused({"enable", "vm1"}, "--backup");
  ExpectRefused({"dance"}, "see ftctl --help");
}

TEST_F(FtctlTest, HelpHasAnExampleForEveryVerb) {
  for (const char* verb :
       {"define", "start", "stop", "enable", "disable", "status", "failover",
        "events", "undefine", "version"}) {
    Finished help = ftd_.Ftctl({verb, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr(std::string("ftctl ") + verb));
  }
}

TEST_F(FtctlTest, DefineStatusUndefine) {
  Start();
  std::string file = ftd_.Write("vm1.toml", VmFile());
  EXPECT_EQ(ftd_.Ftctl({"define", file}).out, "vm1 is defined\n");
  auto status =
      boost::json::parse(ftd_.Ftctl({"status", "--json"}).out).as_object();
  EXPECT_EQ(status["host"], "hostA");
  auto& vm = status["vms"].as_array().at(0).as_object();
  EXPECT_EQ(vm["state"], "not-configured");
  EXPECT_EQ(vm["role"], "none");
  EXPECT_EQ(vm["engine_running"], false);
  EXPECT_TRUE(vm["failover"].is_null());
  EXPECT_THAT(ftd_.Ftctl({"status"}).out, HasSubstr("not-configured"));
  EXPECT_THAT(ftd_.Ftctl({"events", "vm1"}).out, HasSubstr("defined"));
  ExpectRefused({"stop", "vm1"}, "does not run here");
  ExpectRefused({"disable", "vm1"}, "does not run here");
  ExpectRefused({"failover", "vm1"}, "not-configured");
  ExpectRefused({"enable", "vm1", "--backup", "hostB"}, "ftctl start vm1");
  EXPECT_EQ(ftd_.Ftctl({"undefine", "vm1"}).exit_code, 0);
  EXPECT_THAT(ftd_.Ftctl({"status"}).out, HasSubstr("no VMs"));
  EXPECT_FALSE(fs::exists(ftd_.dir() / "state/vms/vm1"));
}

TEST_F(FtctlTest, StartWithoutEngineNamesIt) {
  Start();
  ftd_.Ftctl({"define", ftd_.Write("vm1.toml", VmFile())});
  ExpectRefused({"start", "vm1"}, "/nowhere/qemu-system-x86_64");
}

TEST_F(FtctlTest, StartWithoutSharedDirectoryNamesIt) {
  ftd_.Set("engine", "\"/bin/true\"");
  Start();
  ftd_.Ftctl({"define", ftd_.Write("vm1.toml", VmFile())});
  fs::rename(ftd_.dir() / "shared", ftd_.dir() / "away");
  std::ofstream(ftd_.dir() / "shared") << "";
  Finished result = ftd_.Ftctl({"start", "vm1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr(ftd_.dir() / "shared"));
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1);
}

TEST_F(FtctlTest, EngineThatDiesAtOnceGivesItsRecordBack) {
  ftd_.Set("engine", "\"/bin/false\"");
  Start();
  ftd_.Ftctl({"define", ftd_.Write("vm1.toml", VmFile())});
  Finished result = ftd_.Ftctl({"start", "vm1"});
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  EXPECT_EQ(ftd_.Ftctl({"undefine", "vm1"}).exit_code, 0);
}

// The store is not mounted, and the VM may be live elsewhere.
TEST_F(FtctlTest, StartWithAStoreOfAnotherTimeIsRefused) {
  ftd_.Set("engine", "\"/bin/false\"");
  Start();
  ftd_.Ftctl({"define", ftd_.Write("vm1.toml", VmFile())});
  ftd_.Ftctl({"start", "vm1"});
  fs::remove_all(ftd_.dir() / "shared");
  fs::create_directory(ftd_.dir() / "shared");
  ExpectRefused({"start", "vm1"}, "the test-and-set store knows epoch 0");
}

TEST_F(FtctlTest, VmsSurviveARestartOfFtd) {
  Start();
  ftd_.Ftctl({"define", ftd_.Write("vm1.toml", VmFile())});
  EXPECT_EQ(ftd_.End(SIGTERM), 0);
  Start();
  EXPECT_THAT(ftd_.Ftctl({"status"}).out, HasSubstr("vm1"));
  EXPECT_THAT(ftd_.Ftctl({"events", "vm1"}).out, HasSubstr("defined"));
}

// ---- ftd itself ----

TEST_F(FtctlTest, SecondFtdIsRefused) {
  Start();
  Finished second = RunProgram(
      {FT_FTD_PATH, "--config", ftd_.dir() / "ftd.toml"}, ftd_.dir().path());
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.err, HasSubstr("another ftd (pid " +
                                    std::to_string(ftd_.pid()) + ")"));
  EXPECT_EQ(std::ranges::count(second.err, '\n'), 1);
  EXPECT_EQ(ftd_.Ftctl({"version"}).exit_code, 0);
}

TEST_F(FtctlTest, FtdRefusesWhatItCannotUse) {
  auto expect = [this](const std::string& words) {
    EXPECT_FALSE(ftd_.Start());
    EXPECT_EQ(ftd_.exit_code(), 2);
    EXPECT_THAT(ftd_.Log(), HasSubstr(words));
    EXPECT_EQ(std::ranges::count(ftd_.Log(), '\n'), 1) << ftd_.Log();
  };
  std::string file = ftd_.Write("file", "");
  ftd_.Set("shared_dir", "\"" + file + "\"");
  expect(file);
  ftd_.Set("shared_dir", "\"" + ftd_.dir() / "nowhere" + "\"");
  expect("nowhere");
  ftd_.Set("shared_dir", "\"" + ftd_.dir() / "shared" + "\"");
  ftd_.Set("state_dir", "\"" + file + "\"");
  expect("state_dir");
  ftd_.Set("state_dir", "\"" + ftd_.dir() / "state" + "\"");
  ftd_.Set("colour", "\"red\"");
  expect("unknown key colour");
}

TEST_F(FtctlTest, PortInUseIsNamed) {
  Start();
  FtdForTest other;
  std::string log_port = ftd_.Get("log_port");
  other.Set("log_port", log_port);
  EXPECT_FALSE(other.Start());
  EXPECT_EQ(other.exit_code(), 2);
  EXPECT_THAT(other.Log(), HasSubstr(log_port));
}

TEST_F(FtctlTest, CheckReadsTheConfigOnly) {
  Finished check =
      RunProgram({FT_FTD_PATH, "--check", "--config", ftd_.WriteConfig()},
                 ftd_.dir().path());
  EXPECT_EQ(check.exit_code, 0) << check.err;
  EXPECT_FALSE(fs::exists(ftd_.dir() / "state"));
}

// ---- strangers ----

TEST_F(FtctlTest, SocketIsForOwnerAndGroup) {
  Start();
  struct stat info = {};
  ASSERT_EQ(stat(ftd_.socket_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
}

TEST_F(FtctlTest, GarbageOnTheSocketGetsOneErrorLine) {
  Start();
  for (std::string bytes :
       {std::string("hello\n"), std::string("[1,2]\n"), std::string("{}\n"),
        std::string("{\"verb\":\"dance\"}\n"), std::string("\0\1\2\n", 4),
        std::string(1 << 20, 'x')}) {
    std::string answer = ftd_.Say(bytes);
    EXPECT_THAT(answer, HasSubstr("\"error\""));
    EXPECT_THAT(answer, HasSubstr("\"invalid\""));
  }
  EXPECT_EQ(ftd_.Ftctl({"version"}).exit_code, 0);
}

TEST_F(FtctlTest, StrangersAtTheLogPortAreHungUpOnAndNamed) {
  Start();
  EXPECT_TRUE(ftd_.KnockAtLogPort(std::string(65536, 'x')));
  EXPECT_TRUE(ftd_.KnockAtLogPort("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(ftd_.KnockAtLogPort(""));  // says nothing for two seconds
  EXPECT_EQ(ftd_.Ftctl({"version"}).exit_code, 0);
  std::string log = ftd_.Log();
  size_t named = 0;
  for (size_t at = 0;
       (at = log.find("log channel: peer 127.0.0.1:", at)) != std::string::npos;
       ++at) {
    ++named;
  }
  EXPECT_EQ(named, 3u) << log;
}

TEST_F(FtctlTest, IdleFtdCostsLessThanOnePercent) {
  Start();
  auto cpu_ns = [this] {
    clockid_t clock = 0;
    timespec used = {};
    if (clock_getcpuclockid(ftd_.pid(), &clock) != 0) return -1L;
    clock_gettime(clock, &used);
    return used.tv_sec * 1'000'000'000L + used.tv_nsec;
  };
  long before = cpu_ns();
  timespec second = {.tv_sec = 1, .tv_nsec = 0};
  nanosleep(&second, nullptr);
  EXPECT_LT(cpu_ns() - before, 10'000'000L);
}

}  // namespace
}  // namespace ft::cli
