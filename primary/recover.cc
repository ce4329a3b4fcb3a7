// SPDX-License-Identifier: GPL-2.0-or-later
//
// Recover(): a restarted ftd and a live engine that it finds.
//
//     T=0    ftd dies; the engine runs on, outputs held
//            the log connection is reset: an entitled backup contends
//     T=2 s  no beat: the engine pauses its VM (FT_ORPHANED)
//     T=t    ftd is back, beats, and asks the record: only that knows
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "primary/primary_impl.h"

namespace ft::primary {

namespace asio = boost::asio;
using fencing::Action;

namespace {

constexpr std::chrono::milliseconds kBeat{50};
constexpr std::chrono::milliseconds kReadAgain{500};

class Recovery {
 public:
  Recovery(asio::any_io_executor executor, replay::Engine& engine,
           fencing::AsyncTestAndSet& store, PrimaryListener& listener,
           RecoverOptions options)
      : engine_(engine),
        store_(store),
        listener_(listener),
        options_(std::move(options)),
        beat_timer_(executor),
        tasks_(executor) {}

  asio::awaitable<Outcome> Run() {
    tasks_.Spawn(BeatLoop());
    Outcome outcome = co_await Decide();
    ending_ = true;
    beat_timer_.cancel();
    co_await tasks_.Join();
    co_return outcome;
  }

 private:
  asio::awaitable<void> BeatLoop() {
    while (!ending_) {
      engine_.ring().Beat();
      beat_timer_.expires_after(kBeat);
      boost::system::error_code cancelled;
      co_await beat_timer_.async_wait(
          asio::redirect_error(asio::use_awaitable, cancelled));
    }
  }

  asio::awaitable<Outcome> Decide() {
    auto record = co_await ReadRecord();
    if (!engine_.running()) {
      co_return Ended(End::kVmGone, options_.epoch, "its engine has ended");
    }
    const RecoveryVerdict verdict = JudgeNow(record);
    if (verdict == RecoveryVerdict::kKill) {
      co_await KillEngine(engine_, listener_);
      const std::string why =
          record ? "test-and-set for " + options_.vm + ": epoch " +
                       std::to_string(record->epoch) + " is held by " +
                       (record->released() ? "nobody" : record->holder)
                 : "there is no test-and-set record of " + options_.vm;
      co_return Ended(End::kFenced, options_.epoch, why);
    }
    if (verdict == RecoveryVerdict::kContend) {
      co_return co_await Contend(record->epoch);
    }
    if (engine_.ring().log_mode() == logchannel::LogMode::kKeep) {
      co_await RunOnAlone(engine_, listener_);
    }
    co_return Ended(End::kAlone, record->epoch, "ftd was restarted");
  }

  RecoveryVerdict JudgeNow(const std::optional<fencing::VmRecord>& record) {
    return JudgeRecovery(record, options_.epoch, options_.host,
                         engine_.ring().holding());
  }

  // Waits for as long as the store says nothing, or nothing of our time.
  asio::awaitable<std::optional<fencing::VmRecord>> ReadRecord() {
    bool told = false;
    while (engine_.running()) {
      auto record = co_await store_.Read(options_.vm);
      const bool of_our_time =
          record.ok() && JudgeNow(*record) != RecoveryVerdict::kAskAgain;
      if (of_our_time) co_return *record;
      if (!told) {
        listener_.OnPrimaryEvent(
            "cannot read the test-and-set record: " +
            (record.ok() ? TooOld(*record) : record.status().ToString()));
      }
      told = true;
      co_await engine_.WaitExit(kReadAgain);
    }
    co_return std::nullopt;
  }

  std::string TooOld(const std::optional<fencing::VmRecord>& record) const {
    const std::string has =
        record ? "only epoch " + std::to_string(record->epoch) + " of "
               : "no record of ";
    return "the shared directory has " + has + options_.vm +
           ", which runs in epoch " + std::to_string(options_.epoch) +
           "; mount the one that it was started with";
  }

  asio::awaitable<Outcome> Contend(uint64_t epoch) {
    Contest contest(store_, tasks_,
                    {.role = fencing::Role::kPrimary,
                     .vm = options_.vm,
                     .host = options_.host,
                     .epoch = epoch,
                     .detector = fencing::FailureDetectorOptions::Primary(),
                     .uplink_up = options_.uplink_up,
                     .own_vm_gone = [this] { return !engine_.running(); },
                     .report =
                         [this](const std::string& what) {
                           listener_.OnPrimaryEvent(what);
                         }});
    const Action action = co_await contest.Settle(contest.arbitration().Suspect(
        std::chrono::steady_clock::now(), fencing::Suspicion::kRestarted));
    if (action.kind == Action::Kind::kContinueAlone) {
      const bool runs = co_await RunOnAlone(engine_, listener_);
      co_return Ended(runs ? End::kAlone : End::kVmGone, action.epoch,
                      "ftd was restarted; the connection is lost");
    }
    co_await KillEngine(engine_, listener_);
    const bool fenced = action.halt == fencing::HaltReason::kHeldByPeer;
    co_return Ended(fenced ? End::kFenced : End::kVmGone, epoch,
                    fenced ? contest.verdict() : "its engine has ended");
  }

  static Outcome Ended(End end, uint64_t epoch, std::string why) {
    const char* reason = end == End::kFenced   ? "fenced"
                         : end == End::kVmGone ? "host-failure"
                                               : "lost-connection";
    return {.end = end,
            .epoch = epoch,
            .reason = reason,
            .why = std::move(why),
            .status = {}};
  }

  replay::Engine& engine_;
  fencing::AsyncTestAndSet& store_;
  PrimaryListener& listener_;
  const RecoverOptions options_;
  bool ending_ = false;
  asio::steady_timer beat_timer_;
  Tasks tasks_;
};

}  // namespace

asio::awaitable<Outcome> Recover(replay::Engine& engine,
                                 fencing::AsyncTestAndSet& test_and_set,
                                 PrimaryListener& listener,
                                 RecoverOptions options) {
  Recovery recovery(co_await asio::this_coro::executor, engine, test_and_set,
                    listener, std::move(options));
  co_return co_await recovery.Run();
}

}  // namespace ft::primary
