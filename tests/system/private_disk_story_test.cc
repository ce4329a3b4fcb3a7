// SPDX-License-Identifier: GPL-2.0-or-later
//
// A VM whose disk is each host's own: protected while six processes of its
// guest write, flush, discard and read back (tests/guest/disk.c), its host
// dies, and the other's copy has all of it. Needs the guests that
// ./lockstep test -L debian makes.
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/system/bed_fixture.h"

namespace ft::bed {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// The guest uses 24 MiB of it.
constexpr uint64_t kDiskBytes = 512u << 20;
constexpr uint64_t kUsedBytes = 24u << 20;

class PrivateDisk : public BedTest {
 protected:
  void SetUp() override {
    for (Host* host : {&a(), &b()}) host->options().private_directory = true;
    bed().StartHosts();
    const std::string image = a().own_private_path() + "/disk.img";
    std::ofstream(image).close();
    fs::resize_file(image, kDiskBytes);
  }
  static std::string Image(const Host& host) {
    return host.own_private_path() + "/disk.img";
  }

  // The guest works on its disk for so many seconds, and then is idle.
  void StartVm(int seconds) {
    VmOptions vm;
    vm.kernel = GuestDirectory() + "/vmlinuz-devices";
    vm.initrd = GuestDirectory() + "/initrd-devices.gz";
    vm.kernel_arguments =
        " ft.run=disk ft.what=vda ft.n=" + std::to_string(seconds);
    vm.extra_lines = "[[disk]]\npath = \"" + a().private_path() +
                     "/disk.img\"\nmode = \"private\"\n";
    a().FtctlOrThrow({"define", bed().WriteVmFile(vm)});
    a().FtctlOrThrow({"start", kVm});
    if (!Says(a(), "FT-GUEST-READY")) throw BedError("no guest");
  }
  static void Protect(Host& primary, const std::string& backup) {
    primary.FtctlOrThrow({"enable", kVm, "--backup", backup}, kProtectedWithin);
  }
  static bool Says(const Host& host, const std::string& words,
                   milliseconds within = milliseconds(90000)) {
    return Eventually(within, [&] {
      return host.Console(kVm).find(words) != std::string::npos;
    });
  }
  // Every byte that the guest wrote came back.
  static void ExpectVerified(const Host& host) {
    EXPECT_TRUE(Says(host, "FT-GUEST-DONE")) << host.Console(kVm);
    EXPECT_EQ(host.Console(kVm).find("FT-GUEST-FAILED"), std::string::npos);
  }
  static uint64_t SentBytes(const Host& host) {
    const json::value replicas = json::parse(Field(host, "replicas"));
    const json::object& replica = replicas.as_array().at(0).as_object();
    EXPECT_EQ(replica.at("done_bytes"), replica.at("total_bytes"));
    return replica.at("sent_bytes").to_number<uint64_t>();
  }
  void ExpectEqualDisks() {
    EXPECT_TRUE(bed::Run({"cmp", Image(a()), Image(b())},
                         {.timeout = milliseconds(30000)})
                    .ok());
  }
  // hostA has lost the VM, and lives again.
  void FailOver() {
    a().KillBoth(kVm);
    ASSERT_TRUE(Eventually(milliseconds(20000), [&] {
      return Field(b(), "role") == "primary";
    })) << Field(b(), "why");
  }
};

TEST_F(PrivateDisk, HostDies_TheOthersCopyHasEverything) {
  StartVm(20);
  Protect(a(), "hostB");
  EXPECT_EQ(fs::file_size(Image(b())), kDiskBytes);
  std::this_thread::sleep_for(milliseconds(2000));
  ASSERT_EQ(a().Console(kVm).find("FT-GUEST-DONE"), std::string::npos);
  FailOver();
  ExpectVerified(b());
}

TEST_F(PrivateDisk, OldHostIsBroughtUpToDate) {
  StartVm(12);
  Protect(a(), "hostB");
  EXPECT_LE(SentBytes(a()), 4 * kUsedBytes) << "holes are not sent";
  FailOver();
  ExpectVerified(b());

  // Its disk is of yesterday.
  a().StartFtd();
  b().FtctlOrThrow({"stop", kVm});
  const FtctlResult stale = a().Ftctl({"start", kVm});
  EXPECT_EQ(stale.exit_code, 2);
  EXPECT_NE(stale.err.find("are not current"), std::string::npos) << stale.err;
  EXPECT_NE(stale.err.find("start it on hostB"), std::string::npos);
  b().FtctlOrThrow({"start", kVm});

  // What the guest does after this start is over before the clone begins.
  ASSERT_TRUE(Says(b(), "FT-GUEST-DONE"));
  Protect(b(), "hostA");
  EXPECT_LE(SentBytes(b()), 4 * kUsedBytes) << "only what was written";
  b().FtctlOrThrow({"disable", kVm});
  ExpectEqualDisks();
  Protect(b(), "hostA");
  EXPECT_EQ(SentBytes(b()), 0u) << "nothing was written";
  b().FtctlOrThrow({"failover", kVm});
  EXPECT_TRUE(Eventually(milliseconds(10000),
                         [&] { return Field(a(), "role") == "primary"; }));
  a().FtctlOrThrow({"stop", kVm});
  ExpectEqualDisks();
  EXPECT_EQ(b().Ftctl({"start", kVm}).exit_code, 2);
  a().FtctlOrThrow({"start", kVm});
}

// The backup's host dies in the middle of the copy: nothing of the VM is lost,
// and nobody may start from what is there.
TEST_F(PrivateDisk, HalfAReplicaIsNobodysDisk) {
  StartVm(30);
  ChildProcess enable({.argv = {FtctlPath(), "--socket", a().socket_path(),
                                "enable", kVm, "--backup", "hostB"},
                       .error_path = bed().dir() + "/enable.err"});
  ASSERT_TRUE(
      Eventually(milliseconds(20000), [&] { return fs::exists(Image(b())); }));
  b().KillBoth(kVm);
  EXPECT_TRUE(enable.WaitFor(milliseconds(20000)));
  b().StartFtd();
  EXPECT_EQ(Field(b(), "replica_of"), "hostA");
  a().FtctlOrThrow({"stop", kVm});
  const FtctlResult stale = b().Ftctl({"start", kVm});
  EXPECT_EQ(stale.exit_code, 2);
  EXPECT_NE(stale.err.find("a replica of hostA's"), std::string::npos)
      << stale.err;
}

}  // namespace
}  // namespace ft::bed
