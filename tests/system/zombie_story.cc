// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/zombie_story.h"

#include <signal.h>

#include <limits>
#include <sstream>
#include <thread>

namespace ft::bed {
namespace {

constexpr char kDisk[] = "stamps";
constexpr milliseconds kBootsWithin{60000}, kProtectsWithin{40000},
    kWritesWithin{30000}, kHaltsWithin{20000}, kArrivesWithin{60000};
// Passes over the disk before the fault, and by the new side after it: more
// than any write of the old side can be ahead.
constexpr uint64_t kPasses = 3;
// Of the acknowledgements, then of the disk service, then of the primary.
constexpr int kHeldUs = 5000, kInFlightUs = 20000;
// As many requests to read can be under way, of 28 bytes each in NBD's simple
// protocol: what is more is a write.
constexpr uint64_t kReadsInFlight = StampImage::kWorkers * 28;
constexpr milliseconds kWriteUnderWayWithin{300};
constexpr int kCutsMax = 50;

}  // namespace

ZombieStory::ZombieStory(uint64_t seed)
    : image_(bed_.storage().image(kDisk)), random_(seed) {
  Boot();
}

void ZombieStory::Boot() {
  bed_.storage().StartDiskService(kDisk, kVm);
  for (Host* host : {&bed_.a(), &bed_.b()}) {
    host->options().fencing = StorageHost::ServiceFencing();
  }
  bed_.StartHosts();
  VmOptions vm;
  vm.kernel = GuestDirectory() + "/vmlinuz-devices";
  vm.initrd = GuestDirectory() + "/initrd-devices.gz";
  vm.kernel_arguments = " ft.run=stamps ft.what=vda";
  vm.disks = {{.path = StorageHost::DiskPath(kDisk)}};
  bed_.a().FtctlOrThrow({"define", bed_.WriteVmFile(vm)});
  bed_.a().FtctlOrThrow({"start", kVm});
  const bool booted = Eventually(kBootsWithin, [&] {
    return bed_.a().Console(kVm).find("FT-GUEST-READY") != std::string::npos;
  });
  if (!booted)
    throw BedError("the guest does not boot: " + bed_.a().Console(kVm));
}

void ZombieStory::Pause(int at_most_us) {
  std::this_thread::sleep_for(
      std::chrono::microseconds(random_() % static_cast<uint64_t>(at_most_us)));
}

// What its kernel will send to the disk service for as long as it takes,
// whether or not the engine that wrote it lives.
uint64_t ZombieStory::InFlight() {
  std::istringstream sockets(
      RunOrThrow(Network::Inside(bed_.network().HostNamespace(PrimarySide()),
                                 {"ss", "-Htan", "dst", kStorageAddress})));
  std::string state;
  uint64_t to_be_read = 0, unacknowledged = 0, sum = 0;
  while (sockets >> state >> to_be_read >> unacknowledged) {
    sum += unacknowledged;
    sockets.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return sum;
}

// Without the cable what was acknowledged stays under way, until it is back.
// All processes of the guest may be about to read: then it is cut again.
void ZombieStory::CutWithWritesUnderWay() {
  for (int cut = 0; cut < kCutsMax; ++cut) {
    bed_.network().Cut(PrimarySide(), Cable::kSan);
    if (Eventually(kWriteUnderWayWithin,
                   [&] { return InFlight() > kReadsInFlight; })) {
      return;
    }
    const auto before = image_.Passes();
    bed_.network().RestoreAll();
    if (!Eventually(kWritesWithin, [&] { return image_.Passes() != before; })) {
      break;
    }
  }
  throw BedError("no write is under way: " + primary().Console(kVm));
}

void ZombieStory::StopWithWritesUnderWay() {
  CutWithWritesUnderWay();
  backup().SignalFtd(SIGSTOP);
  Pause(kHeldUs);
  StopPrimary();
  backup().SignalFtd(SIGCONT);
}

// Without acknowledgements writes are held; without the service those that
// were let go stay in flight for a moment.
void ZombieStory::StopWithWritesHeld() {
  const bool acknowledgements_first = random_() % 2 == 0;
  if (acknowledgements_first) backup().SignalFtd(SIGSTOP);
  Pause(kHeldUs);
  bed_.storage().Signal(SIGSTOP);
  if (!acknowledgements_first) backup().SignalFtd(SIGSTOP);
  Pause(kInFlightUs);
  StopPrimary();
  backup().SignalFtd(SIGCONT);
  Pause(kInFlightUs);
  bed_.storage().Signal(SIGCONT);
}

void ZombieStory::StopPrimary() {
  if (random_() % 2 == 0) {
    primary().SignalEngine(kVm, SIGSTOP);
    primary().SignalFtd(SIGSTOP);
  } else {
    primary().SignalFtd(SIGSTOP);
    primary().SignalEngine(kVm, SIGSTOP);
  }
}

bool ZombieStory::AwaitNewSide() {
  const uint64_t newest = image_.NewestPass();
  const auto written = [&] { return image_.OldestPass() >= newest + kPasses; };
  Eventually(
      kWritesWithin, [&] { return written() || HasLost(backup()); },
      milliseconds(100));
  return written();
}

bool ZombieStory::HasLost(const Host& host) {
  return host.Field(kVm, "state") == "halted";
}

// Its engine alone at first. What was under way arrives before, or with the
// engine's end.
void ZombieStory::Resurrect() {
  const bool arrives_first = random_() % 2 == 0;
  if (arrives_first) {
    bed_.network().RestoreAll();
    Eventually(kArrivesWithin, [&] { return InFlight() == 0; });
  }
  primary().SignalEngine(kVm, SIGCONT);
  Pause(kInFlightUs);
  primary().SignalFtd(SIGCONT);
  if (!arrives_first) Pause(kInFlightUs);
  bed_.network().RestoreAll();
}

bool ZombieStory::AwaitHalt() {
  return Eventually(kHaltsWithin, [&] {
    return primary().Engines().empty() &&
           primary().Field(kVm, "state") == "halted";
  });
}

// Whoever ran alone a moment ago may not be ready for a backup.
void ZombieStory::Protect() {
  FtctlResult enabled;
  const bool protects = Eventually(
      kProtectsWithin,
      [&] {
        enabled = primary().Ftctl({"enable", kVm, "--backup", backup().name()},
                                  kProtectsWithin);
        return enabled.exit_code == 0;
      },
      milliseconds(500));
  if (!protects) throw BedError("no protection: " + enabled.err);
}

ZombieEnd ZombieStory::TellOnce() {
  ZombieEnd end;
  Protect();
  const uint64_t before = image_.OldestPass();
  image_.Go();
  if (!Eventually(kWritesWithin,
                  [&] { return image_.OldestPass() >= before + kPasses; })) {
    throw BedError("the guest does not write: " + primary().Console(kVm));
  }
  const size_t told = bed_.storage().log().size();
  const auto stopped = Clock::now();
  end.under_way = random_() % 2 == 0;
  if (end.under_way) {
    StopWithWritesUnderWay();
  } else {
    StopWithWritesHeld();
  }
  const bool goes_on = AwaitNewSide();
  if (!goes_on && HasLost(backup())) {
    image_.Rest();
    Resurrect();
    end.is_void = true;
    return end;
  }
  if (!goes_on) {
    throw BedError(backup().name() +
                   " does not go on: " + backup().Ftctl({"events", kVm}).out);
  }
  end.blackout_ms = MillisecondsSince(stopped);
  image_.Rest();
  if (!Eventually(kWritesWithin, [&] { return image_.Obeyed(); })) {
    throw BedError("the guest does not rest: " + backup().Console(kVm));
  }
  const std::string looked = image_.Bytes();
  Resurrect();
  if (!AwaitHalt()) {
    end.broken.push_back(primary().name() +
                         " does not halt: " + primary().Field(kVm, "state"));
  }
  if (!Eventually(kArrivesWithin, [&] { return InFlight() == 0; })) {
    end.broken.push_back("what was under way did not arrive");
  }
  if (image_.Bytes() != looked) end.broken.push_back("a block went back");
  if (bed_.LiveSides() != 1) end.broken.push_back("not one side is live");
  for (const Host* host : {&bed_.a(), &bed_.b()}) {
    const std::string console = host->Console(kVm);
    const size_t failed = console.find("FT-GUEST-FAILED");
    if (failed == std::string::npos) continue;
    end.broken.push_back(
        "the guest on " + host->name() + ": " +
        console.substr(failed, console.find('\n', failed) - failed));
  }
  end.refused =
      bed_.storage().log().find("refused a write", told) != std::string::npos;
  primary_is_a_ = !primary_is_a_;
  return end;
}

}  // namespace ft::bed
