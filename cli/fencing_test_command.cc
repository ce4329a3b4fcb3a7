// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <atomic>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <cstdio>

#include "cli/store_argument.h"
#include "cli/verb.h"
#include "fencing/store_factory.h"
#include "fencing/store_trial.h"

namespace ft::cli {
namespace {

namespace json = boost::json;
using fencing::Quantile;
using fencing::StoreTrial;

// A decision that takes longer is felt in a failover (docs/operations.md).
constexpr uint32_t kSlowUs = 5000;

std::atomic<bool> interrupted = false;

json::array Lines(const std::vector<std::string>& lines) {
  json::array array;
  for (const std::string& line : lines) array.emplace_back(line.c_str());
  return array;
}

double Milliseconds(uint32_t us) { return us / 1000.0; }

class FencingTestCommand : public Verb {
 public:
  std::string name() const override { return "fencing test"; }
  std::string help() const override {
    return "Can this storage be trusted to decide who runs a VM? Exit code 1 "
           "if not";
  }
  std::string example() const override {
    return "ftctl fencing test /srv/lockstep --rounds 10000";
  }
  void AddOptions(CLI::App& app) override {
    store_.AddOptions(app);
    app.add_option("--rounds", options_.rounds, "of each race")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    app.add_option("--contenders", options_.contenders,
                   "how many race; may be given more than once")
        ->allow_extra_args(false)
        ->check(CLI::Range(2, 64))
        ->capture_default_str();
    app.add_flag("--force", force_, "take what a test that died has left");
    app.add_flag("--json", json_, "one JSON object");
  }

  Status Run(Client&) override {
    const auto options = store_.Options();
    if (!options.ok()) return options.status();
    where_ = Describe(*options);
    const auto store = fencing::MakeStore(*options);
    if (!store.ok()) return store.status();
    if (Status s = (*store)->Probe(); !s.ok()) return s;
    auto scratch = fencing::ScratchStore::Make(*options, force_);
    if (!scratch.ok()) return scratch.status();
    // What was taken is given back.
    std::signal(SIGINT, [](int) { interrupted = true; });
    std::signal(SIGTERM, [](int) { interrupted = true; });
    StoreTrial trial(**scratch, options_);
    Status status = trial.Run(
        [this](const StoreTrial::Step& step) { Print(step); }, interrupted);
    if (!status.ok()) return status;
    json_ ? PrintJson(trial) : PrintEnd(trial);
    return Verdict(trial);
  }

 private:
  void Print(const StoreTrial::Step& step) const {
    if (json_) return;
    fmt::print("{}  {}", step.ok() ? "ok    " : "FAILED", step.what);
    if (!step.decisions_us.empty()) {
      fmt::print(", known in {:.2f} ms, of 100 one in {:.2f}",
                 Milliseconds(Quantile(step.decisions_us, 0.5)),
                 Milliseconds(Quantile(step.decisions_us, 0.99)));
    }
    fmt::print("\n");
    for (const std::string& line : step.findings) {
      fmt::print("        {}\n", line);
    }
    std::fflush(stdout);
  }

  void PrintEnd(const StoreTrial& trial) const {
    const auto& us = trial.decisions_us();
    const uint32_t p99 = Quantile(us, 0.99);
    fmt::print("{} decisions: p50 {:.2f} ms, p99 {:.2f} ms, longest {:.2f}\n",
               us.size(), Milliseconds(Quantile(us, 0.5)), Milliseconds(p99),
               Milliseconds(us.back()));
    if (p99 > kSlowUs) {
      fmt::print("slow: every failover takes that much longer\n");
    }
    for (const std::string& promise : trial.not_tried()) {
      fmt::print("not tried here: {}\n", promise);
    }
    if (trial.trusted()) fmt::print("{} can be trusted\n", where_);
  }

  void PrintJson(const StoreTrial& trial) const {
    json::array steps;
    for (const StoreTrial::Step& step : trial.steps()) {
      json::object row = {{"what", step.what},
                          {"ok", step.ok()},
                          {"findings", Lines(step.findings)}};
      if (!step.decisions_us.empty()) {
        row["p50_us"] = Quantile(step.decisions_us, 0.5);
        row["p99_us"] = Quantile(step.decisions_us, 0.99);
      }
      steps.push_back(std::move(row));
    }
    const auto& us = trial.decisions_us();
    json::object report = {{"store", where_},
                           {"trusted", trial.trusted()},
                           {"steps", std::move(steps)},
                           {"decisions", us.size()},
                           {"p50_us", Quantile(us, 0.5)},
                           {"p99_us", Quantile(us, 0.99)},
                           {"max_us", us.back()},
                           {"not_tried", Lines(trial.not_tried())}};
    fmt::print("{}\n", json::serialize(report));
  }

  Status Verdict(const StoreTrial& trial) const {
    for (const StoreTrial::Step& step : trial.steps()) {
      if (step.ok()) continue;
      return Status::Failed(
          fmt::format("{} cannot be trusted: {}: {}", where_, step.what,
                      step.findings.front()),
          "use other storage; two hosts could run a VM at once");
    }
    return Status::Ok();
  }

  StoreArgument store_;
  StoreTrial::Options options_;
  bool force_ = false;
  bool json_ = false;
  std::string where_;
};

const VerbRegistration kFencingTest(std::make_unique<FencingTestCommand>());

}  // namespace
}  // namespace ft::cli
