// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/judgement.h"

namespace ft::chaos {
namespace {

class Bench {
 public:
  Bench(const Trial& trial, const Observed& observed)
      : trial_(trial), seen_(observed) {}

  Sentence Speak() {
    Always();
    if (seen_.vm_lost && MayLoseVm(trial_)) {
      return Done(Judgement::kLost);
    }
    Promise(!seen_.vm_lost, "the VM is lost: " + seen_.conditions);
    if (!seen_.vm_lost) Survivor();
    return Done(Judgement::kKept);
  }

 private:
  void Promise(bool kept, const std::string& line) {
    if (!kept) sentence_.broken.push_back(line);
  }

  Sentence Done(Judgement unless_broken) {
    sentence_.judgement =
        sentence_.broken.empty() ? unless_broken : Judgement::kBroken;
    return sentence_;
  }

  // Also of a VM that is lost.
  void Always() {
    Promise(seen_.trouble.empty(), seen_.trouble);
    Promise(seen_.linearizable, "not linearizable: " + seen_.violation);
    Promise(seen_.two_live.empty(), "two live sides: " + seen_.two_live);
    Promise(static_cast<uint64_t>(seen_.frames_changed_host) <= seen_.epochs,
            "stale frames: the guest's frames changed their host " +
                std::to_string(seen_.frames_changed_host) + " times in " +
                std::to_string(seen_.epochs) + " epochs");
    Promise(seen_.guest_panic.empty(), "the guest: " + seen_.guest_panic);
    for (const std::string& end : seen_.ftd_ends) Promise(false, end);
  }

  void Survivor() {
    Promise(seen_.live_sides == 1,
            std::to_string(seen_.live_sides) +
                " live sides instead of 1: " + seen_.conditions);
    Promise(seen_.served,
            "the clients are not served again; " + seen_.conditions);
    Promise(seen_.settled, "stuck: " + seen_.conditions);
    Promise(seen_.protected_again,
            "it cannot be protected again: " + seen_.enable_error);
    Promise(!MustMove(trial_) || seen_.move_error.empty(),
            "ftctl failover: " + seen_.move_error);
    Promise(seen_.survived == seen_.connections,
            std::to_string(seen_.connections - seen_.survived) + " of " +
                std::to_string(seen_.connections) +
                " connections died: " + seen_.client_error);
    Promise(seen_.read_back, "not every key could be read back");
  }

  const Trial& trial_;
  const Observed& seen_;
  Sentence sentence_;
};

}  // namespace

const char* Name(Judgement judgement) {
  switch (judgement) {
    case Judgement::kKept:
      return "kept";
    case Judgement::kLost:
      return "lost";
    case Judgement::kBroken:
      break;
  }
  return "BROKEN";
}

Sentence Judge(const Trial& trial, const Observed& observed) {
  return Bench(trial, observed).Speak();
}

}  // namespace ft::chaos
