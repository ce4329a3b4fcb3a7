// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/injector.h"

#include <signal.h>

#include <algorithm>

namespace ft::chaos {

using bed::BedError;
using bed::Cable;
using bed::Host;
using bed::milliseconds;
using bed::Side;
using enum FaultKind;

namespace {

constexpr int kLogPort = 7600;
// Of the primary's stream a frame with entries, not an echo.
constexpr int kEntriesBytes = 64;
// ftctl failover gives up by itself long before.
constexpr milliseconds kMoveWithin{40000};
// What an ftd says that may not run here now.
constexpr int kRefused = 2;

bool NeedsLink(FaultKind kind) {
  switch (kind) {
    case kLogMute:
    case kLogDeaf:
    case kSlowLog:
    case kLossyLog:
    case kNarrowLog:
    case kCorruptLog:
    case kTruncateLog:
      return true;
    default:
      return false;
  }
}

}  // namespace

Injector::Injector(Arena& arena, const Trial& trial, Side primary,
                   uint64_t seed)
    : arena_(arena), trial_(trial), primary_(primary), seed_(seed) {}

Side Injector::SideOf(const Fault& fault) const {
  return fault.target == Target::kBackup ? Other(primary_) : primary_;
}

std::vector<Side> Injector::SidesOf(const Fault& fault) const {
  if (fault.target == Target::kBoth) return {Side::kA, Side::kB};
  return {SideOf(fault)};
}

void Injector::PutLinksIn() {
  for (const Fault& fault : trial_.faults) {
    const Side side = SideOf(fault);
    if (!NeedsLink(fault.kind) || links_.contains(side)) continue;
    links_[side] = std::make_unique<Link>(
        bed::SiblingProgram("chaos_link"), arena_.bed().network(), side,
        Cable::kLog, seed_ + links_.size(), arena_.bed().dir() + "/link.err");
  }
}

void Injector::Begin(const Fault& fault) {
  in_force_.push_back(&fault);
  switch (FactsOf(fault.kind).family) {
    case Family::kKill:
    case Family::kPause:
      return BeginProcess(fault);
    case Family::kCable:
      return BeginCable(fault);
    case Family::kStore:
    case Family::kDisk:
      return BeginStorage(fault);
    case Family::kService:
      return BeginService(fault);
    case Family::kClock:
      return arena_.StepClock(SideOf(fault), fault.size);
    case Family::kOperator:
      move_ = std::make_unique<bed::ChildProcess>(bed::ChildProcess::Options{
          .argv = {bed::FtctlPath(), "--socket",
                   arena_.host(primary_).socket_path(), "failover", bed::kVm},
          .output_path = arena_.bed().dir() + "/failover.out",
          .error_path = arena_.bed().dir() + "/failover.out"});
  }
}

void Injector::BeginProcess(const Fault& fault) {
  Host& host = arena_.host(SideOf(fault));
  switch (fault.kind) {
    case kEngineKilled:
      host.KillEngine(bed::kVm);
      return;
    case kFtdKilled:
    case kHostKilled:
      killed_.insert(SideOf(fault));
      if (fault.kind == kFtdKilled) return host.KillFtd();
      return host.KillBoth(bed::kVm);
    case kStarved:
      return Starve(fault);
    case kBusyMachine:
      for (int i = 0; i < fault.size; ++i) {
        busy_.push_back(std::make_unique<replay::BusyProcess>());
      }
      return;
    default:
      return Signal(fault, SIGSTOP);
  }
}

void Injector::Signal(const Fault& fault, int signal) {
  Host& host = arena_.host(SideOf(fault));
  if (fault.kind != kEngineStopped) host.SignalFtd(signal);
  if (fault.kind != kFtdStopped) host.SignalEngine(bed::kVm, signal);
}

void Injector::Starve(const Fault& fault) {
  Host& host = arena_.host(SideOf(fault));
  std::vector<pid_t> pids;
  if (host.ftd_running()) pids.push_back(host.ftd_pid());
  for (const bed::EngineFacts& engine : host.Engines()) {
    pids.push_back(engine.pid);
  }
  duty_cycle_ = std::make_unique<DutyCycle>(std::move(pids), fault.size);
}

void Injector::BeginCable(const Fault& fault) {
  bed::Network& network = arena_.bed().network();
  const Side side = SideOf(fault);
  const bool entries = side == primary_;
  switch (fault.kind) {
    case kHostCut:
      return arena_.bed().Isolate(side);
    case kSanCut:
      return network.Cut(side, Cable::kSan);
    case kUplinkCut:
      return network.Cut(side, Cable::kUplink);
    case kLogCut:
      return network.Cut(side, Cable::kLog);
    case kLogMute:
      return LinkOf(fault).Set(Direction::kOutward, {.cut = true});
    case kLogDeaf:
      return LinkOf(fault).Set(Direction::kInward, {.cut = true});
    case kSlowLog:
      return LinkOf(fault).SetBoth(
          {.delay_ms = double(fault.size), .jitter_ms = double(fault.size)});
    case kLossyLog:
      return LinkOf(fault).SetBoth({.loss = fault.size / 100.0});
    case kNarrowLog:
      return LinkOf(fault).SetBoth({.mbit_per_s = fault.size / 10.0});
    default:
      return LinkOf(fault).Inject(Direction::kOutward,
                                  fault.kind == kCorruptLog
                                      ? StreamFault::kCorrupt
                                      : StreamFault::kTruncate,
                                  kLogPort, entries ? kEntriesBytes : 1);
  }
}

void Injector::BeginStorage(const Fault& fault) {
  switch (fault.kind) {
    case kStoreGone:
      for (const Side side : SidesOf(fault)) {
        arena_.SetStore(side, static_cast<StoreState>(fault.size));
      }
      return;
    case kStoreFull:
      return arena_.SetStoreFull(true);
    case kStateFull:
      return arena_.SetStateFull(SideOf(fault), true);
    default:
      return arena_.SetRingsFull(SideOf(fault), true);
  }
}

void Injector::BeginService(const Fault& fault) {
  switch (fault.kind) {
    case kServiceKilled:
      return arena_.KillService();
    case kServiceFull:
      return arena_.SetServiceFull(true);
    default:
      return arena_.bed().storage().Signal(SIGSTOP);
  }
}

void Injector::End(const Fault& fault) {
  std::erase(in_force_, &fault);
  const Side side = SideOf(fault);
  switch (fault.kind) {
    case kEngineKilled:
    case kMoved:
      return;
    case kFtdKilled:
    case kHostKilled:
      return Restart(side);
    case kEngineStopped:
    case kFtdStopped:
    case kHostStopped:
      return Signal(fault, SIGCONT);
    case kStarved:
      return duty_cycle_.reset();
    case kBusyMachine:
      return busy_.clear();
    case kHostCut:
    case kUplinkCut:
    case kLogCut:
    case kSanCut:
      arena_.bed().network().Restore(side, Cable::kSan);
      arena_.bed().network().Restore(side, Cable::kUplink);
      return arena_.bed().network().Restore(side, Cable::kLog);
    case kServiceKilled:
      return arena_.StartService();
    case kServiceFull:
      arena_.SetServiceFull(false);
      return arena_.StartService();
    case kServiceStopped:
      return arena_.bed().storage().Signal(SIGCONT);
    case kStoreGone:
      for (const Side gone : SidesOf(fault)) {
        arena_.SetStore(gone, kStoreThere);
      }
      return;
    case kStoreFull:
      return arena_.SetStoreFull(false);
    case kStateFull:
      return arena_.SetStateFull(side, false);
    case kRingsFull:
      return arena_.SetRingsFull(side, false);
    case kClockStep:
      return arena_.StepClock(side, 0);
    case kCorruptLog:
    case kTruncateLog:
      return CheckInjected(fault);
    default:
      return LinkOf(fault).Clear();
  }
}

// A pair in lockstep always has a next segment to damage; after another fault
// there may be no stream any more.
void Injector::CheckInjected(const Fault& fault) {
  const LinkCounts counts = LinkOf(fault).Counts(Direction::kOutward);
  const bool done = counts.corrupted + counts.truncated > 0;
  const bool must =
      trial_.faults.size() == 1 && trial_.moment == Moment::kProtected;
  if (must && !done) {
    throw BedError(Label(fault) + ": no segment came by to be damaged");
  }
}

void Injector::Restart(Side side) {
  if (arena_.host(side).ftd_running()) return;
  killed_.erase(side);
  restarted_.insert(side);
  arena_.host(side).LaunchFtd();
}

std::vector<std::string> Injector::Heal() {
  while (!in_force_.empty()) End(*in_force_.back());
  links_.clear();
  std::vector<std::string> complaints;
  for (const Side side : {Side::kA, Side::kB}) {
    Host& host = arena_.host(side);
    if (!host.ftd_running() && !killed_.contains(side) && !Refused(side)) {
      complaints.push_back(host.FtdEnd());
    }
    Restart(side);
    std::string why;
    if (host.AwaitFtd(&why)) continue;
    // It was started before its storage was there again.
    if (Refused(side)) Restart(side);
    if (!host.AwaitFtd(&why)) complaints.push_back(why);
  }
  return complaints;
}

bool Injector::Refused(Side side) {
  return restarted_.contains(side) &&
         arena_.host(side).ftd_exit_code() == kRefused;
}

std::string Injector::MoveError() {
  if (!move_) return "";
  if (!move_->WaitFor(kMoveWithin)) return "ftctl failover does not end";
  const int code = move_->exit_code().value_or(-1);
  return code == 0 ? "" : "it ended with " + std::to_string(code);
}

}  // namespace ft::chaos
