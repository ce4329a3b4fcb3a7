// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/disk_run.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/bench/peers.h"
#include "tests/bench/processor.h"
#include "tests/replay/engine_pair.h"
#include "tests/replay/test_paths.h"
#include "tests/sparse_copy.h"

namespace ft::bench {
namespace {

namespace fs = std::filesystem;
using replay::EnginePair;
using replay::Side;

constexpr uint32_t kMemoryMib = 512;
// Not all of it can be in flight at once, and it fits into any memory.
constexpr uint64_t kDiskBytes = 64 << 20;
// For one step; a loaded machine may be slow, a stuck guest is forever.
constexpr std::chrono::minutes kPatience(5);

void Complain(const std::string& what) {
  fmt::print(stderr, "bench: disk: {}\n", what);
}

// Fresh images, gone with this object.
class Images {
 public:
  Images() {
    std::string pattern = "/dev/shm/lockstep-bench." + std::string(6, 'X');
    if (mkdtemp(pattern.data()) != nullptr) directory_ = pattern;
  }
  ~Images() {
    std::error_code ignored;
    if (!directory_.empty()) fs::remove_all(directory_, ignored);
  }
  Images(const Images&) = delete;
  Images& operator=(const Images&) = delete;

  Status Make() const {
    if (directory_.empty()) {
      return Status::Failed("no directory can be made in /dev/shm");
    }
    Status copied = CopySparse(replay::DebianImage(), root());
    if (!copied.ok()) return copied;
    std::ofstream(disk()).flush();
    fs::resize_file(disk(), kDiskBytes);
    return Status::Ok();
  }
  std::string root() const { return directory_ + "/root.img"; }
  std::string disk() const { return directory_ + "/disk.img"; }

 private:
  std::string directory_;
};

std::vector<replay::Disk> DisksOf(const DiskMode& mode, const Images& images) {
  std::vector<replay::Disk> disks = {{.path = images.root()},
                                     {.path = images.disk()}};
  for (replay::Disk& disk : disks) {
    disk.mode = mode.mode;
    disk.reads = mode.reads;
  }
  return disks;
}

// Those of the primary, and of a backup that has its own.
struct AllImages {
  Images primary, backup;
};

replay::PairOptions OptionsFor(const DiskMode& mode, const AllImages& images,
                               int seconds, bool plain) {
  replay::PairOptions options = {
      .workload = "disk-speed",
      .rounds = seconds,
      .memory_mib = kMemoryMib,
      .network = true,
      .kernel_arguments = "ft.gate=1 ft.what=vdb root=/dev/vda",
      .kernel = "vmlinuz-devices",
      .initrd = "initrd-devices.gz",
      .disks = DisksOf(mode, images.primary),
      .plain = plain,
      .fail = Complain};
  if (mode.mode == std::string(replay::kPrivate) && !plain) {
    options.backup_disks = DisksOf(mode, images.backup);
  }
  return options;
}

bool OpenGate(EnginePair& pair) {
  Gate gate;
  if (pair.WaitUntil([&] { return gate.Open(); }, kPatience)) return true;
  Complain("the gate stays shut");
  return false;
}

bool WaitFor(EnginePair& pair, const std::string& line) {
  return pair.WaitForConsole(Side::kPrimary, line, kPatience);
}

// `committed` says where the log is now.
template <typename Committed>
std::optional<DiskRun> MeasureAll(EnginePair& pair, Committed committed) {
  if (!OpenGate(pair)) return std::nullopt;
  DiskRun run;
  for (const DiskAccess& access : AllDiskAccesses()) {
    const std::string name = access.name;
    if (!WaitFor(pair, "FT-GUEST-BEGIN " + name)) return std::nullopt;
    const uint64_t begin = committed();
    if (!WaitFor(pair, "FT-GUEST-END " + name)) return std::nullopt;
    const uint64_t end = committed();
    if (!WaitFor(pair, "FT-GUEST-REPORTED " + name)) return std::nullopt;
    const auto fio = FindFioReport(pair.Console(Side::kPrimary), name);
    if (!fio.ok()) {
      Complain(fio.status().ToString());
      return std::nullopt;
    }
    run.push_back({.fio = *fio, .log_bytes = end - begin});
  }
  if (!WaitFor(pair, "FT-GUEST-DONE")) return std::nullopt;
  return run;
}

bool Bind(EnginePair& pair, Side side, const DiskRunOptions& options) {
  if (!options.processor_each) return true;
  const Status bound =
      BindToProcessor(pair.EnginePid(side), side == Side::kPrimary ? 0 : 1);
  if (!bound.ok()) Complain(bound.ToString());
  return bound.ok();
}

bool Boot(EnginePair& pair, const DiskRunOptions& options) {
  return pair.StartPrimary() && Bind(pair, Side::kPrimary, options) &&
         WaitFor(pair, "FT-GUEST-READY");
}

bool Protect(EnginePair& pair, const DiskRunOptions& options) {
  return pair.Clone() && Bind(pair, Side::kBackup, options) && pair.Protect();
}

bool Make(const Images& images) {
  const Status made = images.Make();
  if (!made.ok()) Complain(made.ToString());
  return made.ok();
}

}  // namespace

std::optional<DiskRun> RunDiskPlain(const DiskMode& mode,
                                    const DiskRunOptions& options) {
  const AllImages images;
  if (!Make(images.primary)) return std::nullopt;
  EnginePair pair(OptionsFor(mode, images, options.seconds, true));
  if (!Boot(pair, options)) return std::nullopt;
  return MeasureAll(pair, [] { return uint64_t{0}; });
}

std::optional<DiskRun> RunDiskProtected(const DiskMode& mode,
                                        const DiskRunOptions& options) {
  const AllImages images;
  if (!Make(images.primary) || !Make(images.backup)) return std::nullopt;
  EnginePair pair(OptionsFor(mode, images, options.seconds, false));
  if (!Boot(pair, options)) return std::nullopt;
  if (mode.backup && !Protect(pair, options)) return std::nullopt;
  auto& ring = pair.engine(Side::kPrimary).ring();
  const auto run = MeasureAll(pair, [&] { return ring.committed(); });
  if (run && mode.backup) pair.ExpectIdentical();
  if (pair.failed()) return std::nullopt;
  return run;
}

}  // namespace ft::bench
