// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/trial.h"

#include <memory>
#include <optional>

#include "tests/bench/peers.h"
#include "tests/replay/engine_pair.h"
#include "tests/replay/redis_load.h"
#include "tests/torture/busy_process.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;
using Clock = std::chrono::steady_clock;

constexpr char kReady[] = "FT-GUEST-READY";
constexpr char kDone[] = "FT-GUEST-DONE";
constexpr int kReboots = 2;
// The work takes eight seconds of a quiet machine, a replay about as long.
constexpr std::chrono::minutes kPatience(5);

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

// A run in the making: what has to end before the engines do comes after
// them.
class Stage {
 public:
  explicit Stage(const Trial& trial)
      : trial_(trial),
        workload_(*trial.workload),
        machine_(workload_),
        pair_(Options()) {}

  Outcome Play() {
    const auto begun = Clock::now();
    const bool played = Prepare() && Replicate() && End();
    outcome_.identical = played && !pair_.failed() && outcome_.failure.empty();
    if (!outcome_.identical) outcome_.evidence = pair_.evidence();
    outcome_.seconds = SecondsSince(begun);
    return outcome_;
  }

 private:
  replay::PairOptions Options() {
    replay::PairOptions options = machine_.Options();
    options.archive = !trial_.streamed;
    options.fail = [this](const std::string& what) { Fail(what); };
    return options;
  }

  bool Fail(const std::string& what) {
    if (outcome_.failure.empty()) outcome_.failure = what;
    return false;
  }

  // Everything that forks, then everything that has a thread.
  bool Prepare() {
    const Status image = machine_.MakeImage();
    if (!image.ok()) return Fail(image.ToString());
    if (!pair_.StartPrimary() || !pair_.PrepareBackup()) return false;
    if (trial_.contention && trial_.streamed) busy_.emplace();
    using bench::Peer;
    if (workload_.sends_to_guest) {
      sender_.emplace(Peer::kSender, workload_.rounds);
    }
    if (workload_.takes_from_guest) {
      receiver_.emplace(Peer::kReceiver, workload_.rounds);
    }
    if (workload_.from_boot) return true;
    if (!pair_.WaitForConsole(Side::kPrimary, kReady, kPatience)) return false;
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
    if (!pair_.Clone() || !pair_.Protect()) return false;
    const uint64_t icount = pair_.Query(Side::kPrimary).icount;
    const uint64_t position = pair_.clone_result().position;
    for (const auto pause : trial_.compare_after) {
      LetWorkFor(pause);
      if (pair_.failed() || !pair_.CompareHere()) return false;
      ++outcome_.compared;
    }
    const bool done = pair_.WaitUntil(
        [&] { return WorkIsDone() || pair_.failed(); }, kPatience);
    if (!done) return Fail("the work is not done in time");
    if (Has("FT-GUEST-FAILED"))
      return Fail("the workload says: FT-GUEST-FAILED");
    if (operator_ && !Has(operator_->typed().c_str())) {
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
    if (trial_.contention && !trial_.streamed) busy_.emplace();
    if (workload_.ends == Ends::kByPowerOff) return ExpectBothGone();
    pair_.ExpectIdentical();
    ++outcome_.compared;
    return !pair_.failed();
  }

  // The log tells the backup to switch itself off as well.
  bool ExpectBothGone() {
    if (!trial_.streamed) pair_.Feed();
    pair_.WaitUntil(
        [&] {
          return !pair_.exit_reason(Side::kBackup).empty() || pair_.failed();
        },
        kPatience);
    if (pair_.exit_reason(Side::kBackup) != pair_.exit_reason(Side::kPrimary)) {
      return Fail("the primary: " + pair_.exit_reason(Side::kPrimary) +
                  "; the backup: " + pair_.exit_reason(Side::kBackup));
    }
    if (!pair_.Console(Side::kPrimary)
             .ends_with(pair_.Console(Side::kBackup)) ||
        pair_.Console(Side::kBackup).empty()) {
      return Fail("the consoles differ");
    }
    return true;
  }

  const Trial& trial_;
  const Workload& workload_;
  Outcome outcome_;
  const Machine machine_;
  EnginePair pair_;
  std::optional<BusyProcess> busy_;
  std::optional<bench::BulkPeer> sender_;
  std::optional<bench::BulkPeer> receiver_;
  std::optional<replay::RedisLoad> client_;
  std::optional<Operator> operator_;
};

}  // namespace

Outcome Perform(const Trial& trial) { return Stage(trial).Play(); }

}  // namespace ft::torture
