// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>

#include "replay/busy_process.h"
#include "replay/log_bisect.h"
#include "replay/log_replay.h"
#include "tests/bench/peers.h"
#include "tests/replay/engine_pair.h"
#include "tests/replay/redis_load.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;
using Clock = std::chrono::steady_clock;

constexpr char kReady[] = "FT-GUEST-READY";
constexpr char kDone[] = "FT-GUEST-DONE";
constexpr int kReboots = 2;
// Each of them is a block of its own in the second replay of a recording:
// a second or two.
constexpr uint64_t kWindowInstructions = 1'000'000;
// The work takes eight seconds of a quiet machine, a replay about as long; of
// a storm of timers with dense digests, minutes.
constexpr std::chrono::minutes kPatience(5), kDensePatience(20);

double SecondsSince(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

size_t Count(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

// Dense digests make a second of the busiest devices' work a minute's.
Workload AsPlayed(const Trial& trial) {
  Workload workload = *trial.workload;
  if (trial.dense) {
    workload.rounds = std::max(workload.rounds / kDenseDivisor, 1);
  }
  return workload;
}

// A run in the making: what has to end before the engines do comes after
// them.
class Stage {
 public:
  explicit Stage(const Trial& trial)
      : trial_(trial),
        workload_(AsPlayed(trial)),
        machine_(workload_),
        pair_(Options()) {}

  Outcome Play() {
    const auto begun = Clock::now();
    const bool played = Prepare() && Replicate() && End();
    outcome_.identical = played && !pair_.failed() && outcome_.failure.empty();
    outcome_.is_void = pair_.stood_still();
    if (!outcome_.identical) outcome_.evidence = pair_.evidence();
    outcome_.seconds = SecondsSince(begun);
    return outcome_;
  }

 private:
  replay::PairOptions Options() {
    replay::PairOptions options = machine_.Options();
    options.dense = trial_.dense;
    options.fail = [this](const std::string& what) { Fail(what); };
    return options;
  }

  bool Fail(const std::string& what) {
    if (outcome_.failure.empty()) outcome_.failure = what;
    pair_.KeepAll();
    return false;
  }

  // Everything that forks, then everything that has a thread.
  bool Prepare() {
    const Status image = machine_.MakeImage();
    if (!image.ok()) return Fail(image.ToString());
    if (!pair_.StartPrimary()) return false;
    if (trial_.streamed && !pair_.PrepareBackup()) return false;
    if (trial_.contention && trial_.streamed) busy_.emplace();
    using bench::Peer;
    if (workload_.sends_to_guest) {
      sender_.emplace(Peer::kSender, workload_.rounds);
    }
    if (workload_.takes_from_guest) {
      receiver_.emplace(Peer::kReceiver, workload_.rounds);
    }
    if (workload_.from_boot) return true;
    if (!pair_.WaitForConsole(Side::kPrimary, kReady, patience_)) return false;
    if (workload_.ends == Ends::kWithItsClient) {
      client_.emplace(workload_.rounds);
    }
    const Status hired = machine_.HireOperator(pair_, Seed(), &operator_);
    return hired.ok() || Fail(hired.ToString());
  }

  uint64_t Seed() const { return static_cast<uint64_t>(trial_.number); }

  bool WorkIsDone() {
    switch (workload_.ends) {
      case Ends::kWithItsWork:
        return Has(kDone) || Has("FT-GUEST-FAILED");
      case Ends::kWithItsClient:
        return client_->done();
      case Ends::kAfterReboots:
        return Count(pair_.Console(Side::kPrimary), kReady) > kReboots;
      case Ends::kByPowerOff:
        return !pair_.exit_reason(Side::kPrimary).empty();
    }
    return true;
  }

  bool Has(const char* text) {
    return pair_.Console(Side::kPrimary).find(text) != std::string::npos;
  }

  // A moment under load, unless the load ends before.
  void LetWorkFor(std::chrono::milliseconds duration) {
    pair_.WaitUntil([&] { return WorkIsDone() || pair_.failed(); }, duration);
  }

  bool Replicate() {
    LetWorkFor(trial_.clone_after);
    const auto begun = Clock::now();
    const bool cloned = trial_.streamed ? pair_.Clone() : pair_.Record();
    if (!cloned || !pair_.Protect()) return false;
    const uint64_t icount = pair_.Query(Side::kPrimary).icount;
    const uint64_t position = pair_.clone_result().position;
    for (const auto pause : trial_.compare_after) {
      LetWorkFor(pause);
      if (pair_.failed() || !pair_.CompareHere()) return false;
      if (trial_.streamed) ++outcome_.compared;
    }
    const bool done = pair_.WaitUntil(
        [&] { return WorkIsDone() || pair_.failed(); }, patience_);
    if (!done) return Fail("the work is not done in time");
    if (Has("FT-GUEST-FAILED"))
      return Fail("the workload says: FT-GUEST-FAILED");
    // The rest of the line may be on its way.
    const auto arrived = [&] { return Has(operator_->typed().c_str()); };
    if (operator_ && !pair_.WaitUntil(arrived, replay::kPatience)) {
      return Fail("the guest did not get what was typed");
    }
    if (client_ && !client_->error().empty()) return Fail(client_->error());
    outcome_.work_seconds = SecondsSince(begun);
    outcome_.log_bytes = pair_.carried() - position;
    if (workload_.ends != Ends::kByPowerOff) {
      outcome_.instructions = pair_.Query(Side::kPrimary).icount - icount;
    }
    return !pair_.failed();
  }

  bool End() {
    const auto begun = Clock::now();
    const bool well = Finish();
    outcome_.rest_seconds = SecondsSince(begun);
    return well;
  }

  bool Finish() {
    if (!trial_.streamed) return pair_.EndRecording() && ReplayTwice();
    if (workload_.ends == Ends::kByPowerOff) return ExpectBothGone();
    pair_.ExpectIdentical();
    ++outcome_.compared;
    return !pair_.failed();
  }

  // The log tells the backup to switch itself off as well.
  bool ExpectBothGone() {
    pair_.WaitUntil(
        [&] {
          return !pair_.exit_reason(Side::kBackup).empty() || pair_.failed();
        },
        patience_);
    primary_end_ = pair_.exit_reason(Side::kPrimary);
    return CompareEnds(pair_.exit_reason(Side::kBackup),
                       pair_.Console(Side::kBackup));
  }

  bool CompareEnds(const std::string& exit_reason, const std::string& console) {
    if (exit_reason != primary_end_) {
      return Fail("the primary: " + primary_end_ +
                  "; the replay: " + exit_reason);
    }
    // A machine that switches itself off says so.
    const bool silent = workload_.ends == Ends::kByPowerOff && console.empty();
    if (silent || !pair_.Console(Side::kPrimary).ends_with(console)) {
      return Fail("the consoles differ");
    }
    return true;
  }

  // Once as a backup would; once with blocks cut otherwise for a while, and
  // perhaps with somebody else on the processors.
  bool ReplayTwice() {
    primary_end_ = pair_.exit_reason(Side::kPrimary);
    pair_.KillPrimary();
    replay::ReplayOptions options = {.work_dir = pair_.evidence() + "/replays",
                                     .ring_dir = pair_.ring_directory()};
    if (!ReplayOnce(options)) return false;
    auto window = replay::WindowOf(pair_.recording().log_path(),
                                   trial_.window_at, kWindowInstructions);
    if (!window.ok()) return Fail(window.status().ToString());
    options.one_instruction_per_block = *window;
    if (trial_.contention) busy_.emplace();
    return ReplayOnce(options);
  }

  bool ReplayOnce(const replay::ReplayOptions& options) {
    auto report = pair_.Await(
        replay::CheckRecording(pair_.io(), pair_.recording(), options));
    if (!report.ok()) return Fail(report.status().ToString());
    outcome_.compared += report->marks;
    if (!report->difference) {
      return CompareEnds(report->exit_reason, report->console);
    }
    const replay::ReplayDifference& difference = *report->difference;
    Fail(fmt::format("noticed at position {}: expected {}, got {}",
                     difference.position, difference.expected, difference.got));
    Find(options);
    return false;
  }

  // What the finder says goes into the evidence, beside the recording.
  void Find(const replay::ReplayOptions& options) {
    std::ofstream file(pair_.evidence() + "/bisect");
    replay::BisectOptions bisect = {
        .suspect = options, .progress = [&file](const std::string& line) {
          file << line << std::endl;
        }};
    auto report = pair_.Await(replay::BisectRecording(
        pair_.io(), pair_.recording(), std::move(bisect)));
    if (!report.ok()) {
      file << report.status().ToString() << "\n";
      return;
    }
    outcome_.finding = replay::Render(*report);
    file << outcome_.finding;
    outcome_.failure += "; " + report->verdict;
  }

  const Trial& trial_;
  const Workload workload_;
  const std::chrono::minutes patience_ =
      trial_.dense ? kDensePatience : kPatience;
  Outcome outcome_;
  const Machine machine_;
  EnginePair pair_;
  std::string primary_end_;  // why its engine ended by itself, if it did
  std::optional<replay::BusyProcess> busy_;
  std::optional<bench::BulkPeer> sender_;
  std::optional<bench::BulkPeer> receiver_;
  std::optional<replay::RedisLoad> client_;
  std::optional<Operator> operator_;
};

}  // namespace

Outcome Perform(const Trial& trial) { return Stage(trial).Play(); }

}  // namespace ft::torture
