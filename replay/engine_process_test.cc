// SPDX-License-Identifier: GPL-2.0-or-later
//
// The processes here are shells: nothing in EngineProcess knows
// what an engine is.
#include "replay/engine_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace ft::replay {
namespace {

using ::testing::HasSubstr;

constexpr int kSoonMs = 10'000;
// Stops itself: it lives until it is killed and needs no child for that.
constexpr char kStayAlive[] = "echo ready; kill -STOP $$";

class EngineProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        ::testing::TempDir() + "/process." + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    log_ = directory_ + "/stderr";
  }
  void TearDown() override {
    if (process_) {
      process_->Kill();
      process_->WaitForExit(kSoonMs);
    }
    std::filesystem::remove_all(directory_);
  }

  // Runs `script` under /bin/sh with `name` as an argument.
  EngineProcess& Spawn(const std::string& script,
                       const std::string& name = "ring") {
    auto process =
        EngineProcess::Spawn({"/bin/sh", "-c", script, "sh", name}, log_);
    EXPECT_TRUE(process.ok()) << process.status().ToString();
    process_ = std::move(*process);
    return *process_;
  }
  // Right after exec /proc still shows an empty command line.
  EngineProcess& SpawnStaying(const std::string& name = "ring") {
    auto& process = Spawn(kStayAlive, name);
    while (process.LastErrorLine() != "ready" && !process.WaitForExit(1)) {
    }
    return process;
  }
  Status AdoptAs(const std::string& binary, const std::string& ring) {
    return EngineProcess::Adopt(process_->pid(), binary, ring, log_).status();
  }

  std::string directory_;
  std::string log_;
  std::unique_ptr<EngineProcess> process_;
};

TEST_F(EngineProcessTest, Spawn_MissingBinaryIsNamed) {
  auto process = EngineProcess::Spawn({"/none/qemu"}, log_);
  EXPECT_EQ(process.status().code(), Code::kUnavailable);
  EXPECT_EQ(process.status().message(),
            "engine /none/qemu: No such file or directory");
  EXPECT_NE(process.status().remedy(), "");
}

TEST_F(EngineProcessTest, Spawn_UnwritableLogDirectoryIsNamed) {
  auto process = EngineProcess::Spawn({"/bin/true"}, "/none/log");
  EXPECT_THAT(process.status().message(), HasSubstr("directory /none"));
}

TEST_F(EngineProcessTest, EarlyDeath_LeavesCodeAndLastLine) {
  auto& process =
      Spawn("echo one >&2; echo 'qemu-system-x86_64: bad device' >&2; exit 3");
  ASSERT_TRUE(process.WaitForExit(kSoonMs));
  EXPECT_FALSE(process.Running());
  EXPECT_EQ(process.exit_status()->code, 3);
  EXPECT_EQ(process.exit_status()->Describe(), "exited with 3");
  EXPECT_EQ(process.LastErrorLine(), "bad device");
}

TEST_F(EngineProcessTest, Engine_HasItsOwnSessionAndNoneOfOurDescriptors) {
  const int leaked = open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  auto& process = SpawnStaying();
  close(leaked);
  EXPECT_EQ(getsid(process.pid()), process.pid());
  const std::string proc = "/proc/" + std::to_string(process.pid());
  EXPECT_EQ(std::filesystem::read_symlink(proc + "/fd/0"), "/dev/null");
  EXPECT_EQ(std::filesystem::read_symlink(proc + "/fd/2"), log_);
  EXPECT_FALSE(std::filesystem::exists(proc + "/fd/" + std::to_string(leaked)));
}

TEST_F(EngineProcessTest, Kill_EndsItAndIsHarmlessTwice) {
  auto& process = SpawnStaying();
  EXPECT_TRUE(process.Running());
  process.Kill();
  ASSERT_TRUE(process.WaitForExit(kSoonMs));
  process.Kill();
  EXPECT_EQ(process.exit_status()->signal, SIGKILL);
}

TEST_F(EngineProcessTest, Adopt_TakesTheSameProcess) {
  auto& process = SpawnStaying("/dev/shm/vm1.ring");
  auto adopted =
      EngineProcess::Adopt(process.pid(), "/bin/sh", "/dev/shm/vm1.ring", log_);
  ASSERT_TRUE(adopted.ok()) << adopted.status().ToString();
  EXPECT_TRUE((*adopted)->Running());
  (*adopted)->Kill();
  EXPECT_TRUE((*adopted)->WaitForExit(kSoonMs));
}

TEST_F(EngineProcessTest, Adopt_RefusesStrangers) {
  auto& process = SpawnStaying("/dev/shm/vm1.ring");
  EXPECT_EQ(AdoptAs("/bin/cat", "/dev/shm/vm1.ring").code(), Code::kInvalid);
  EXPECT_EQ(AdoptAs("/bin/sh", "/dev/shm/vm2.ring").code(), Code::kInvalid);
  process.Kill();
  ASSERT_TRUE(process.WaitForExit(kSoonMs));
  EXPECT_THAT(AdoptAs("/bin/sh", "/dev/shm/vm1.ring").message(),
              HasSubstr("is gone"));
}

}  // namespace
}  // namespace ft::replay
