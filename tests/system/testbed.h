// SPDX-License-Identifier: GPL-2.0-or-later
//
// TestBed: two hosts, a shared directory, a storage host, a client and the
// cables between them, on one machine, for one test. A test reads as a story:
//
//     TestBed bed;
//     bed.StartHosts();
//     bed.StartVm(bed.a());                  // defined, started, Redis answers
//     auto writer = bed.StartWriter();
//     bed.a().FtctlOrThrow({"enable", "vm1", "--backup", "hostB"});
//     bed.a().KillBoth("vm1");
//     EXPECT_EQ(bed.LiveSides(), 1);
//
// Whatever way the process ends, the bed is gone afterwards (bed_ledger.h).
// Its files (/tmp/lockstep-bed/<run>: logs of ftd, consoles, engine's
// stderr) go too, unless KeepArtifacts() was called.
//
// Needs root, and from the environment, with ./lockstep's places as
// defaults: LOCKSTEP_ENGINE, LOCKSTEP_FTD, LOCKSTEP_FTCTL (programs) and
// LOCKSTEP_GUEST (directory with vmlinuz, initrd.gz, cmdline); where there are
// disks LOCKSTEP_DISK_SERVICE (program) and LOCKSTEP_DEBIAN (image) too. What
// is missing is a failure, not a skip.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/system/bed_host.h"
#include "tests/system/bed_ledger.h"
#include "tests/system/network.h"
#include "tests/system/storage_host.h"
#include "tests/system/writer_process.h"

namespace ft::bed {

inline constexpr char kVm[] = "vm1";
// The guest's, on whatever host. Locally administered, QEMU's own prefix.
inline constexpr char kGuestMac[] = "52:54:00:77:00:50";

// Where the parts under test are. Throws BedError naming what is missing.
std::string EnginePath();
std::string FtdPath();
std::string FtctlPath();
std::string DiskServicePath();
std::string GuestDirectory();
// An ext4 file system with a Debian root, for copying.
std::string DebianImage();
// What the guest's kernel is told: it takes kGuestAddress and runs Redis.
std::string GuestCommandLine();
// A program that lies beside the one that is running, or in the directory of
// tests/system or tests/chaos beside it.
std::string SiblingProgram(const std::string& name);

// Polls `condition` until it holds; false after `deadline`.
bool Eventually(milliseconds deadline, const std::function<bool()>& condition,
                milliseconds poll = milliseconds(20));

struct VmDisk {
  std::string path;
  std::string mode = "shared";
};

struct VmOptions {
  std::string name = kVm;
  int memory_mib = 256;
  int vcpus = 1;
  std::string kernel{};  // default: the test guest's
  std::string initrd{};
  std::string kernel_arguments{};  // beside GuestCommandLine()
  std::string nic_model = "virtio-net";
  std::vector<VmDisk> disks{};
  std::string extra_lines{};  // TOML, added at the top level
};

class TestBed {
 public:
  // Sweeps what dead runs left, then builds the network. No ftd yet.
  TestBed();
  ~TestBed();
  TestBed(const TestBed&) = delete;
  TestBed& operator=(const TestBed&) = delete;

  Host& a() { return *a_; }
  Host& b() { return *b_; }
  StorageHost& storage() { return *storage_; }
  Network& network() { return *network_; }
  BedLedger& ledger() { return *ledger_; }
  const std::string& run() const { return run_; }
  const std::string& dir() const { return dir_; }
  const std::string& shared_dir() const { return shared_dir_; }

  // ftd on both hosts.
  void StartHosts();
  // Writes <dir>/<name>.toml and returns its path.
  std::string WriteVmFile(const VmOptions& options) const;
  // define, start, and wait until the guest's Redis answers.
  void StartVm(Host& host, const VmOptions& options = {});
  // Redis in the guest answers a PING from the client's namespace.
  bool WaitForRedis(milliseconds deadline, const std::string& address) const;
  // Starts the verifying writer in the client's namespace.
  std::unique_ptr<WriterProcess> StartWriter(const WriterOptions& options = {});
  // What an earlier writer was acknowledged, read back by a new one.
  WriterReport ReadAgain(uint64_t writes) const;

  // The log network alone, both sides stay alive.
  void CutLogLink() { network_->Cut(Side::kA, Cable::kLog); }
  // Every cable of a host: nobody hears it any more.
  void Isolate(Side side);
  void RestoreLinks() { network_->RestoreAll(); }

  // How many sides of the pair execute the guest and let output out
  // (engine_probe.h). 1 is health, 0 an outage, 2 split-brain.
  int LiveSides(milliseconds watch = milliseconds(1000));
  // How many engine processes exist.
  int Engines();

  // A directory that even root cannot write to.
  std::string MakeReadOnlyDirectory(const std::string& name);
  // Keep the files for a post-mortem.
  void KeepArtifacts();

 private:
  std::string run_;
  std::string dir_;
  std::string shared_dir_;
  std::unique_ptr<BedLedger> ledger_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Host> a_;
  std::unique_ptr<Host> b_;
  std::unique_ptr<StorageHost> storage_;
};

}  // namespace ft::bed
