// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/trial.h"

#include <algorithm>
#include <fstream>
#include <thread>

#include "tests/chaos/frame_order.h"
#include "tests/chaos/injector.h"
#include "tests/system/name_space.h"
#include "tests/system/ping_probe.h"
#include "tests/system/reply_times.h"

namespace ft::chaos {
namespace {

using bed::Clock;
using bed::milliseconds;
using bed::Side;

constexpr milliseconds kLook{25};
// After the last fault is over. The longest that the product itself waits is
// ten seconds, for a backup that stands still.
constexpr milliseconds kServedWithin{20000};
constexpr milliseconds kSettledWithin{20000};
constexpr milliseconds kLiveWatch{400};
constexpr milliseconds kProbeInterval{5};
// Answers of each connection that say that it is served.
constexpr int kAnswers = 5;

// A deed or its end.
struct Event {
  milliseconds at;
  const Fault* fault;
  bool begins;
};

std::vector<Event> EventsOf(const Trial& trial) {
  std::vector<Event> events;
  for (const Fault& fault : trial.faults) {
    events.push_back({fault.at, &fault, true});
    events.push_back({fault.at + fault.lasts, &fault, false});
  }
  std::ranges::stable_sort(events, {}, &Event::at);
  return events;
}

// The longest time between two ticks of a thread that has nothing to do.
class StallWatch {
 public:
  double Finish() {
    thread_.request_stop();
    thread_.join();
    return longest_ms_;
  }

 private:
  void Watch(const std::stop_token& stop) {
    auto last = Clock::now();
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(kTick);
      longest_ms_ = std::max(longest_ms_, bed::MillisecondsSince(last));
      last = Clock::now();
    }
  }

  static constexpr milliseconds kTick{50};
  double longest_ms_ = 0;  // the thread's until it was joined
  std::jthread thread_{[this](const std::stop_token& stop) { Watch(stop); }};
};

class Run {
 public:
  Run(Campaign& campaign, const Trial& trial, uint64_t seed)
      : campaign_(campaign), trial_(trial), seed_(seed) {}

  RunOutcome Play(const std::string& evidence) {
    const auto begun = Clock::now();
    try {
      Act();
    } catch (const std::exception& error) {
      seen_.trouble = error.what();
    }
    RunOutcome outcome = {.sentence = Judge(trial_, seen_),
                          .figures = figures_};
    if (outcome.sentence.judgement == Judgement::kBroken) {
      Keep(evidence);
      outcome.figures.evidence = evidence;
    }
    LeaveBed();
    if (outcome.sentence.judgement != Judgement::kKept) campaign_.Discard();
    outcome.figures.seconds = bed::MillisecondsSince(begun) / 1000;
    outcome.stalled_ms = stall_.Finish();
    if (outcome.is_void()) campaign_.Discard();
    return outcome;
  }

 private:
  void Act() {
    campaign_.Prepare(trial_);
    bed::TestBed& bed = campaign_.arena().bed();
    injector_ = std::make_unique<Injector>(campaign_.arena(), trial_,
                                           campaign_.primary(), seed_);
    injector_->PutLinksIn();
    if (!campaign_.clients().WaitForMore(kAnswers, kServedWithin)) {
      throw bed::BedError("before the run: the clients are not served");
    }
    epoch_ = LookAtBoth(bed).epoch();
    order_ = std::make_unique<FrameOrder>(bed.network());
    StartProbe();
    Strike();
    seen_.ftd_ends = injector_->Heal();
    seen_.move_error = injector_->MoveError();
    AwaitService();
    AwaitPeace();
    Look();
    if (!seen_.vm_lost) seen_.enable_error = campaign_.ProtectAgain(trial_);
    seen_.protected_again = seen_.enable_error.empty();
  }

  void StartProbe() {
    const bed::InNamespace client(
        campaign_.arena().bed().network().ClientNamespace());
    if (probe_.Start(bed::kGuestAddress, kProbeInterval)) return;
    throw bed::BedError("the probe: " + probe_.error());
  }

  // What was put into the bed goes before it does.
  void LeaveBed() {
    enable_.reset();
    order_.reset();
    injector_.reset();
  }

  // The plan, in its time; in between somebody looks at both engines.
  void Strike() {
    const auto begun = Clock::now();
    if (trial_.moment == Moment::kCloning) {
      enable_ = std::make_unique<bed::ChildProcess>(
          bed::ChildProcess::Options{.argv = campaign_.EnableCommand()});
    }
    for (const Event& event : EventsOf(trial_)) {
      const auto at = begun + event.at;
      while (Clock::now() + 5 * kLook < at) WatchLive();
      std::this_thread::sleep_until(at);
      if (event.begins && event.fault == &trial_.faults.front()) {
        campaign_.clients().MarkFault();
        fault_ns_ = bed::MonotonicNs();
      }
      if (event.begins) {
        injector_->Begin(*event.fault);
      } else {
        injector_->End(*event.fault);
      }
    }
  }

  // Twice in a row both engines let their guests' outputs go: once could be
  // a handover in between. Takes two to four looks' time.
  void WatchLive() {
    bed::TestBed& bed = campaign_.arena().bed();
    if (bed.LiveSides(kLook) < 2 || bed.LiveSides(kLook) < 2) return;
    if (seen_.two_live.empty()) seen_.two_live = LookAtBoth(bed).Text();
  }

  void AwaitService() {
    const auto end = Clock::now() + kServedWithin;
    seen_.served = false;
    while (!seen_.served && Clock::now() < end) {
      seen_.served =
          campaign_.clients().WaitForMore(kAnswers, milliseconds(500));
      WatchLive();
      // An engine that is gone does not come back.
      if (!seen_.served && LookAtBoth(campaign_.arena().bed()).Lost()) break;
    }
  }

  void AwaitPeace() {
    bed::TestBed& bed = campaign_.arena().bed();
    if (enable_) enable_->WaitFor(milliseconds(25000));
    Conditions now;
    seen_.settled = bed::Eventually(
        kSettledWithin,
        [&] {
          WatchLive();
          now = LookAtBoth(bed);
          if (now.Lost()) return true;
          if (const auto primary = now.Settled()) {
            campaign_.SetPrimary(*primary);
            return true;
          }
          return false;
        },
        kLook);
    seen_.vm_lost = now.Lost();
    seen_.conditions = now.Text();
    seen_.epochs = now.epoch() > epoch_ ? now.epoch() - epoch_ : 0;
  }

  void Look() {
    bed::TestBed& bed = campaign_.arena().bed();
    seen_.live_sides = bed.LiveSides(kLiveWatch);
    const FrameOrder::Seen frames = order_->Finish();
    seen_.frames_changed_host = frames.changes;
    frames_story_ = frames.story;
    for (const bed::Host* host : {&bed.a(), &bed.b()}) {
      const std::string panic = host->GuestPanic(bed::kVm);
      if (!panic.empty()) seen_.guest_panic = panic.substr(0, panic.find('\n'));
    }
    ReadClients();
    figures_.probe_blackout_ms = bed::LongestGapMs(
        probe_.Finish().replies_ns, fault_ns_, bed::MonotonicNs());
  }

  void ReadClients() {
    const SegmentReport report = campaign_.clients().Cut();
    seen_.linearizable = report.linearizable;
    seen_.violation = report.violation;
    seen_.read_back = report.read_back;
    seen_.connections = report.connections;
    seen_.survived = report.survived;
    for (const std::string& error : report.errors) {
      seen_.client_error += error + "; ";
    }
    figures_.operations = report.operations;
    figures_.connections = report.connections;
    figures_.survived = report.survived;
    figures_.blackout_ms = report.blackout_ms;
  }

  void Keep(const std::string& evidence) {
    if (!campaign_.has_bed()) return;
    campaign_.arena().CopyEvidence(evidence);
    std::ofstream(evidence + "/plan") << Text(trial_) << "\n";
    std::ofstream(evidence + "/frames") << frames_story_;
    std::ofstream(evidence + "/conditions") << seen_.conditions << "\n";
  }

  Campaign& campaign_;
  const Trial& trial_;
  const uint64_t seed_;
  std::unique_ptr<Injector> injector_;
  std::unique_ptr<FrameOrder> order_;
  std::unique_ptr<bed::ChildProcess> enable_;
  StallWatch stall_;
  bed::PingProbe probe_;
  int64_t fault_ns_ = 0;
  uint64_t epoch_ = 0;
  std::string frames_story_;
  Observed seen_;
  RunFigures figures_;
};

}  // namespace

RunOutcome Perform(Campaign& campaign, const Trial& trial, uint64_t seed,
                   const std::string& evidence) {
  return Run(campaign, trial, seed).Play(evidence);
}

}  // namespace ft::chaos
