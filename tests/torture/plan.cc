// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/plan.h"

#include <random>

namespace ft::torture {
namespace {

using std::chrono::milliseconds;

// A workload lasts about eight seconds: the clone comes in the first half,
// two comparisons in what is left.
constexpr int kCloneWithinMs = 4'000;
constexpr int kBootCloneWithinMs = 3'000;
constexpr int kCompareWithinMs = 2'500;
constexpr int kCompares = 2;

constexpr Workload Stress(const char* name, const char* what) {
  return {.name = name,
          .guest = "stress",
          .what = what,
          .initrd = "initrd-torture.gz",
          .memory_mib = 512};
}

constexpr Workload Edges(const char* name, const char* what,
                         const char* devices = "") {
  return {.name = name,
          .guest = "edges",
          .what = what,
          .initrd = "initrd-torture.gz",
          .memory_mib = 512,
          .devices = devices};
}

constexpr char kDevicesKernel[] = "vmlinuz-devices";
constexpr char kDevicesInitrd[] = "initrd-devices.gz";

// `workload` with a kernel that knows the devices which the default one does
// not.
constexpr Workload Devices(Workload workload) {
  workload.kernel = kDevicesKernel;
  workload.initrd = kDevicesInitrd;
  return workload;
}

constexpr Workload OverE1000(Workload workload) {
  workload.nic = replay::kE1000;
  workload.devices = "e1000";
  return Devices(workload);
}

constexpr Workload OnDisk(const char* name, const char* bus, const char* what) {
  return Devices({.name = name,
                  .guest = "disk",
                  .what = what,
                  .image = Image::kBlank,
                  .bus = bus,
                  .devices = bus});
}

constexpr Workload PrivateDisk(Workload workload) {
  workload.mode = replay::kPrivate;
  return workload;
}

constexpr Workload ReadByBackup(Workload workload) {
  workload.reads = replay::kReadsByBackup;
  return workload;
}

// On an ext4 root with Debian, on a disk of this bus.
constexpr Workload OnDebian(const char* bus, Workload workload) {
  workload.image = Image::kDebian;
  workload.bus = bus;
  workload.memory_mib = 512;
  workload.devices = bus;
  return Devices(workload);
}

constexpr Workload kWorkloads[] = {
    {.name = "tiny", .guest = "torture-tiny", .rounds = 60},
    Stress("cpu", "cpu"),
    Stress("matrix-fp", "matrix,fp,vecmath"),
    Stress("vm-mmap", "vm,mmap"),
    Stress("fork", "fork,vfork,exec"),
    Stress("pipe-switch", "pipe,switch"),
    Stress("timer-storm", "timer,itimer,hrtimers,timerfd"),
    Stress("signal", "signal,sigq,sigfpe,sigsegv"),
    Stress("opcode", "opcode,far-branch,icache"),
    Stress("files", "hdd,dentry"),
    Stress("all-at-once", "cpu,vm,fork,pipe,timer,mmap,matrix,sigq"),
    Edges("strings", "strings"),
    Edges("self-modifying", "code"),
    Edges("x87-sse", "fpu"),
    Edges("ports", "ports", "PIT, RTC, RTC memory, ACPI timer"),
    {.name = "redis",
     .guest = "redis",
     .rounds = 4000,
     .ends = Ends::kWithItsClient,
     .devices = "virtio-net"},
    {.name = "receive",
     .guest = "receive",
     .rounds = 64,
     .sends_to_guest = true,
     .devices = "virtio-net"},
    {.name = "transmit",
     .guest = "transmit",
     .rounds = 48,
     .takes_from_guest = true,
     .devices = "virtio-net"},
    {.name = "bulk-both-ways",
     .guest = "bulk",
     .rounds = 24,
     .sends_to_guest = true,
     .takes_from_guest = true,
     .devices = "virtio-net"},
    {.name = "compile",
     .guest = "compile",
     .rounds = 4,
     .initrd = "initrd-compile.gz",
     .memory_mib = 384},
    {.name = "periodic-tick",
     .guest = "idle",
     .kernel_arguments = "nohz=off",
     .devices = "local APIC timer"},
    {.name = "rtc-alarm",
     .guest = "alarm",
     .rounds = 5,
     .kernel_arguments = "hpet=disable",
     .devices = "RTC alarm"},
    {.name = "boot",
     .guest = "torture-tiny",
     .rounds = 5,
     .from_boot = true,
     .devices = "firmware, PCI, virtio-net set-up"},
    {.name = "reboot",
     .guest = "reboot",
     .ends = Ends::kAfterReboots,
     .devices = "reset of all devices"},
    {.name = "power-off",
     .guest = "torture-tiny",
     .rounds = 30,
     .ends = Ends::kByPowerOff,
     .kernel_arguments = "ft.end=poweroff",
     .devices = "ACPI power-off"},
    OverE1000({.name = "e1000-receive",
               .guest = "receive",
               .rounds = 48,
               .sends_to_guest = true}),
    OverE1000({.name = "e1000-transmit",
               .guest = "transmit",
               .rounds = 32,
               .takes_from_guest = true}),
    OverE1000({.name = "e1000-redis",
               .guest = "redis",
               .rounds = 3000,
               .ends = Ends::kWithItsClient}),
    OnDisk("disk-blk", replay::kVirtioBlk, "vda"),
    OnDisk("disk-scsi", replay::kVirtioScsi, "sda"),
    PrivateDisk(OnDisk("disk-private", replay::kVirtioBlk, "vda")),
    ReadByBackup(OnDisk("disk-reads-backup", replay::kVirtioScsi, "sda")),
    OnDebian(replay::kVirtioBlk,
             {.name = "debian-hdd", .guest = "stress", .what = "hdd,dentry"}),
    OnDebian(replay::kVirtioScsi, {.name = "debian-fio", .guest = "fio"}),
    OnDebian(replay::kVirtioBlk,
             {.name = "debian-compile", .guest = "compile", .rounds = 4}),
    OnDebian(replay::kVirtioScsi,
             {.name = "debian-postgres", .guest = "postgres"}),
    OnDebian(replay::kVirtioBlk, {.name = "debian-redis",
                                  .guest = "redis",
                                  .what = "durable",
                                  .rounds = 1000,
                                  .ends = Ends::kWithItsClient}),
    Devices({.name = "console",
             .guest = "console",
             .kernel_arguments = "console=tty0 console=ttyS0",
             .video = replay::kVga,
             .devices = "VGA"}),
    Devices({.name = "keyboard-mice",
             .guest = "input",
             .what = "events",
             .hands = Hands::kKeyboardAndMice,
             .devices = "PS/2 keyboard and mouse, USB tablet"}),
    Devices({.name = "serial-input",
             .guest = "input",
             .what = "serial",
             .rounds = 14,
             .hands = Hands::kSerial,
             .devices = "serial input"}),
};

milliseconds Within(std::mt19937_64& random, int bound_ms) {
  return milliseconds(random() % static_cast<uint64_t>(bound_ms));
}

}  // namespace

bool CanBeRecorded(const Workload& workload) {
  return workload.mode == std::string(replay::kShared) &&
         workload.reads == std::string(replay::kReadsFromLog);
}

std::span<const Workload> AllWorkloads() { return kWorkloads; }

const Workload* FindWorkload(const std::string& name) {
  for (const Workload& workload : kWorkloads) {
    if (name == workload.name) return &workload;
  }
  return nullptr;
}

std::set<std::string> GuestsOf(std::span<const Workload* const> workloads) {
  const std::string prefix = "initrd-", suffix = ".gz";
  std::set<std::string> guests;
  for (const Workload* workload : workloads) {
    const std::string initrd = workload->initrd;
    if (initrd.starts_with(prefix)) {
      guests.insert(initrd.substr(
          prefix.size(), initrd.size() - prefix.size() - suffix.size()));
    }
    if (workload->image == Image::kDebian) guests.insert("debian");
  }
  return guests;
}

Trial PlanTrial(uint64_t seed, int number,
                std::span<const Workload* const> workloads) {
  const auto index = static_cast<size_t>(number - 1);
  const size_t turn = index % workloads.size();
  const size_t round = index / workloads.size();
  // Neighbours differ within a round too.
  const size_t combination = round + turn;
  std::mt19937_64 random(seed * 1'000'003 + static_cast<uint64_t>(number));
  Trial trial = {.number = number, .workload = workloads[turn]};
  trial.streamed = combination % 2 == 0 || !CanBeRecorded(*trial.workload);
  trial.contention = combination / 2 % 2 == 1;
  trial.dense =
      !trial.streamed && (combination / 2 + turn + round / 4) % 2 == 1;
  const bool from_boot = trial.workload->from_boot;
  trial.clone_after =
      Within(random, from_boot ? kBootCloneWithinMs : kCloneWithinMs);
  // A machine that is about to go away is left in peace.
  if (trial.workload->ends == Ends::kByPowerOff) return trial;
  for (int i = 0; i < kCompares; ++i) {
    trial.compare_after.push_back(Within(random, kCompareWithinMs));
  }
  trial.window_at = static_cast<double>(random() % 90) / 100;
  if (trial.dense && !from_boot) trial.clone_after /= kDenseDivisor;
  return trial;
}

}  // namespace ft::torture
