// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/campaign.h"

namespace ft::chaos {

using bed::BedError;
using bed::Clock;
using bed::Host;
using bed::milliseconds;
using bed::Side;

namespace {

// A bed that serves for ever would hide what the first runs show.
constexpr int kRunsOfBed = 25;
constexpr int kConnections = 3;
// The longest fault, and then some: a connection that waits longer is dead.
constexpr milliseconds kReplyDeadline{20000};
constexpr milliseconds kServesWithin{20000};
constexpr milliseconds kProtectsWithin{30000};

const Fault* ClockFaultOf(const Trial& trial) {
  for (const Fault& fault : trial.faults) {
    if (fault.kind == FaultKind::kClockStep) return &fault;
  }
  return nullptr;
}

}  // namespace

void Campaign::MakeBed() {
  Discard();
  arena_ = std::make_unique<Arena>(storage_);
  primary_ = Side::kA;
  runs_ = 0;
  arena_->bed().StartHosts();
  arena_->bed().StartVm(arena_->bed().a(), arena_->Vm());
}

void Campaign::Discard() {
  clients_.reset();
  arena_.reset();
}

void Campaign::HireClients() {
  HistoryClientOptions options;
  options.connections = kConnections;
  options.reply_deadline = kReplyDeadline;
  options.history_prefix = arena_->bed().dir() + "/history";
  options.seed = seed_ + static_cast<uint64_t>(runs_);
  clients_.reset();
  clients_ = std::make_unique<HistoryProcess>(
      bed::SiblingProgram("history_client"),
      arena_->bed().network().ClientNamespace(), options,
      arena_->bed().dir() + "/history_client.err");
}

void Campaign::Prepare(const Trial& trial) {
  if (!arena_ || runs_ >= kRunsOfBed) MakeBed();
  ++runs_;
  if (!clients_ || clients_->Alive() < kConnections) HireClients();
  const Fault* clock = ClockFaultOf(trial);
  const bool cloning = trial.moment == Moment::kCloning;
  std::string error;
  if ((clock || cloning) && LookAtBoth(arena_->bed()).Protected()) {
    error = Disable();
  }
  if (clock) {
    const Side side =
        clock->target == Target::kBackup ? Other(primary_) : primary_;
    arena_->UseSteppedClock(side, true);
    RestartFtd(side);
  }
  if (error.empty() && !cloning && !LookAtBoth(arena_->bed()).Protected()) {
    error = Enable(kProtectsWithin);
  }
  if (!error.empty()) throw BedError("before the run: " + error);
  if (!clients_->WaitForMore(20, kServesWithin)) {
    throw BedError("before the run: the clients are not served");
  }
}

std::vector<std::string> Campaign::EnableCommand() const {
  return {bed::FtctlPath(),
          "--socket",
          arena_->host(primary_).socket_path(),
          "enable",
          bed::kVm,
          "--backup",
          arena_->host(Other(primary_)).name(),
          "--timeout",
          "20"};
}

std::string Campaign::Enable(milliseconds patience) {
  const auto end = Clock::now() + patience;
  std::string error = "no try";
  while (Clock::now() < end) {
    const bed::CommandResult result =
        bed::Run(EnableCommand(), {.timeout = milliseconds(25000)});
    if (result.ok()) return "";
    error = result.err;
    bed::Eventually(milliseconds(200), [] { return false; });
  }
  return error;
}

std::string Campaign::Disable() {
  const auto result = primary_host().Ftctl({"disable", bed::kVm});
  return result.ok() ? "" : "ftctl disable: " + result.err;
}

void Campaign::RestartFtd(Side side) {
  arena_->host(side).KillFtd();
  arena_->host(side).StartFtd();
}

std::string Campaign::ProtectAgain(const Trial& trial) {
  const bool is_protected = LookAtBoth(arena_->bed()).Protected();
  if (ClockFaultOf(trial)) {
    if (is_protected) {
      const std::string error = Disable();
      if (!error.empty()) return error;
    }
    for (const Side side : {Side::kA, Side::kB}) {
      if (arena_->host(side).options().environment.empty()) continue;
      arena_->UseSteppedClock(side, false);
      RestartFtd(side);
    }
  } else if (is_protected) {
    return "";
  }
  return Enable(kProtectsWithin);
}

}  // namespace ft::chaos
