// SPDX-License-Identifier: GPL-2.0-or-later
//
// What cannot be done is refused in one line that names the thing, with exit
// code 2, and nothing is changed by having asked.
#include <fstream>

#include "tests/system/bed_fixture.h"

namespace ft::bed {
namespace {

namespace fs = std::filesystem;

class RefusalsAreOneClearLine : public BedTest {
 protected:
  // What a refusal must not change: everything but the figures that move.
  std::string Settled() {
    std::string text;
    for (Host* host : {&a(), &b()}) {
      for (const char* key :
           {"role", "state", "reason", "epoch", "peer", "engine_pid"}) {
        text += Field(*host, key) + " ";
      }
      text += std::to_string(host->Engines().size()) + "; ";
    }
    for (const auto& entry : fs::directory_iterator(bed().shared_dir())) {
      text += entry.path().filename().string() + " ";
    }
    return text;
  }

  // Progress may come first; the refusal is the last line, and one.
  static void ExpectOneLine(const CommandResult& result,
                            const std::string& names) {
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(result.out, "");
    const size_t at = result.err.find("ftctl: ");
    ASSERT_NE(at, std::string::npos) << result.err;
    const std::string line = result.err.substr(at);
    EXPECT_TRUE(at == 0 || result.err[at - 1] == '\n') << result.err;
    EXPECT_EQ(line.find('\n'), line.size() - 1) << result.err;
    EXPECT_NE(line.find(names), std::string::npos)
        << "expected \"" << names << "\" in: " << result.err;
  }

  // Asks A, and expects the refusal to name `names`.
  void ExpectRefused(std::vector<std::string> arguments,
                     const std::string& names) {
    const std::string before = Settled();
    ExpectOneLine(a().Ftctl(std::move(arguments)), names);
    ExpectSettledAs(before);
  }

  // The other host needs a moment to hear that nothing came of it.
  void ExpectSettledAs(const std::string& before) {
    std::string now;
    EXPECT_TRUE(Eventually(milliseconds(3000),
                           [&] {
                             now = Settled();
                             return now == before;
                           }))
        << "before: " << before << "\nnow: " << now;
  }

  void ExpectDefineRefused(const VmOptions& vm, const std::string& names) {
    bed().StartHosts();
    ExpectRefused({"define", bed().WriteVmFile(vm)}, names);
    EXPECT_TRUE(a().Status(kVm).is_null());
  }

  // vm1 runs on A; whether its guest has booted is of no interest here.
  void StartUnprotected() {
    a().FtctlOrThrow({"define", bed().WriteVmFile({})});
    a().FtctlOrThrow({"start", kVm});
  }
};

TEST_F(RefusalsAreOneClearLine, UnknownVm) {
  bed().StartHosts();
  ExpectRefused({"start", "vm7"}, "vm7");
  ExpectRefused({"stop", "vm7"}, "vm7");
  ExpectRefused({"enable", "vm7", "--backup", "hostB"}, "vm7");
  ExpectRefused({"disable", "vm7"}, "vm7");
  ExpectRefused({"failover", "vm7"}, "vm7");
  ExpectRefused({"status", "vm7"}, "vm7");
  ExpectRefused({"events", "vm7"}, "vm7");
  ExpectRefused({"undefine", "vm7"}, "vm7");
}

TEST_F(RefusalsAreOneClearLine, MissingKernel) {
  ExpectDefineRefused({.kernel = "/nowhere/vmlinuz"}, "/nowhere/vmlinuz");
}

TEST_F(RefusalsAreOneClearLine, MissingVmFile) {
  bed().StartHosts();
  ExpectRefused({"define", "/nowhere/vm1.toml"}, "/nowhere/vm1.toml");
}

TEST_F(RefusalsAreOneClearLine, TwoVcpus) {
  ExpectDefineRefused({.vcpus = 2}, "vcpu");
}

TEST_F(RefusalsAreOneClearLine, UnsupportedNetworkCard) {
  ExpectDefineRefused({.nic_model = "rtl8139"}, "rtl8139");
}

TEST_F(RefusalsAreOneClearLine, UnsupportedDevice) {
  ExpectDefineRefused({.extra_lines = "balloon = true\n"}, "balloon");
}

TEST_F(RefusalsAreOneClearLine, NoFtd) {
  ExpectOneLine(a().Ftctl({"status"}), "ftd");
}

TEST_F(RefusalsAreOneClearLine, BackupHostUnknownOrUnreachable) {
  a().StartFtd();
  StartUnprotected();
  ExpectRefused({"enable", kVm, "--backup", "hostZ"}, "hostZ");
  ExpectRefused({"enable", kVm, "--backup", "hostA"}, "hostA");
  // Its host answers, but no ftd listens there.
  ExpectRefused({"enable", kVm, "--backup", "hostB"}, "hostB");
  // Nobody answers at all.
  bed().CutLogLink();
  ExpectRefused({"enable", kVm, "--backup", "hostB"}, "hostB");
}

// A copy of the engine in which one letter of the build's name is another:
// the smallest way in which two builds can differ.
std::string OtherBuild(const std::string& build, const std::string& prefix) {
  fs::create_directories(prefix + "/bin");
  const fs::path engine = fs::canonical(EnginePath());
  fs::create_directory_symlink(engine.parent_path().parent_path() / "share",
                               prefix + "/share");
  std::ifstream in(engine, std::ios::binary);
  std::string image((std::istreambuf_iterator<char>(in)), {});
  size_t changed = 0;
  for (size_t at = image.find(build); at != std::string::npos;
       at = image.find(build, at + 1)) {
    char& letter = image[at + build.size() - 1];
    letter = letter == '0' ? '1' : '0';
    ++changed;
  }
  if (changed == 0) throw BedError(build + " does not occur in the engine");
  const std::string copy = prefix + "/bin/qemu-system-x86_64";
  std::ofstream(copy, std::ios::binary) << image;
  fs::permissions(copy, fs::perms::owner_all);
  return copy;
}

TEST_F(RefusalsAreOneClearLine, DifferentEngineBuild) {
  a().StartFtd();
  StartUnprotected();
  ASSERT_EQ(a().Engines().size(), 1u);
  const std::string build = a().Engines().front().engine_build;
  ASSERT_NE(build, "");
  b().options().engine = OtherBuild(build, bed().dir() + "/other-engine");
  b().StartFtd();
  ExpectRefused({"enable", kVm, "--backup", "hostB"}, "build");
}

TEST_F(RefusalsAreOneClearLine, SharedDirectoryReadOnly) {
  a().options().shared_dir = bed().MakeReadOnlyDirectory("sealed");
  b().StartFtd();
  try {
    a().StartFtd();
  } catch (const BedError& error) {
    // A host that cannot hold the record may refuse to start at all.
    const std::string line = error.what();
    EXPECT_NE(line.find("sealed"), std::string::npos) << line;
    EXPECT_NE(line.find("ended with 2"), std::string::npos) << line;
    return;
  }
  a().FtctlOrThrow({"define", bed().WriteVmFile({})});
  ExpectRefused({"start", kVm}, "sealed");
}

TEST_F(RefusalsAreOneClearLine, SharedDirectoryGone) {
  a().StartFtd();
  a().FtctlOrThrow({"define", bed().WriteVmFile({})});
  fs::remove_all(bed().shared_dir());
  ExpectOneLine(a().Ftctl({"start", kVm}), bed().shared_dir());
  EXPECT_EQ(a().Engines().size(), 0u);
}

std::string FileText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Story: while vm1 is protected, somebody scans the port. He is shown the
// door, the log of B names him, and the pair does not notice.
TEST_F(RefusalsAreOneClearLine, GarbageOnTheLogPort) {
  bed().StartHosts();
  bed().StartVm(a());
  auto writer = bed().StartWriter();
  a().FtctlOrThrow({"enable", kVm, "--backup", "hostB"}, kProtectedWithin);
  const std::string before = Settled();
  // Ends when B has closed the connection.
  const CommandResult scan = bed::Run(
      Network::Inside(bed().network().HostNamespace(Side::kA),
                      {"bash", "-c",
                       "exec 3<>/dev/tcp/10.78.0.2/7600; "
                       "head -c 65536 /dev/urandom >&3; cat <&3 >/dev/null"}),
      {.timeout = milliseconds(5000)});
  EXPECT_FALSE(scan.timed_out) << "B keeps the connection";
  EXPECT_TRUE(writer->WaitForMore(200, milliseconds(5000)));
  ExpectSettledAs(before);
  EXPECT_EQ(Field(a(), "state"), "protected");
  const std::string log = FileText(b().dir() + "/ftd.err") +
                          FileText(b().dir() + "/ftd.out") +
                          FileText(b().dir() + "/state/events.jsonl");
  EXPECT_NE(log.find("10.78.0.1"), std::string::npos) << log;
  EXPECT_EQ(writer->Finish().lost_writes, 0u);
}

}  // namespace
}  // namespace ft::bed
