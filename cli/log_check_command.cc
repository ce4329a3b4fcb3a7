// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "cli/verb.h"
#include "replay/log_scan.h"

namespace ft::cli {
namespace {

namespace json = boost::json;

class LogCheckCommand : public Verb {
 public:
  std::string name() const override { return "log check"; }
  std::string help() const override {
    return "Is an archived log whole? Exit code 1 if it is damaged";
  }
  std::string example() const override {
    return "ftctl log check divergence.ftlog";
  }
  void AddOptions(CLI::App& app) override {
    app.add_option("FILE", file_, "an archived log")->required();
    app.add_flag("--json", json_, "one JSON object");
  }
  Status Run(Client&) override {
    auto opened = replay::LogScan::Open(file_);
    if (!opened.ok()) return opened.status();
    replay::LogScan& scan = **opened;
    uint64_t entries = 0, events = 0;
    while (scan.NextEntry()) {
      ++entries;
      while (scan.NextEvent()) ++events;
    }
    Print(scan, entries, events);
    if (scan.status().ok()) return Status::Ok();
    return Status::Failed(scan.status().message(), scan.status().remedy());
  }

 private:
  void Print(const replay::LogScan& scan, uint64_t entries, uint64_t events) {
    const auto& head = scan.head();
    if (json_) {
      json::object report = {{"file", file_},
                             {"whole", scan.status().ok()},
                             {"vm", head.vm()},
                             {"epoch", head.epoch()},
                             {"engine_build", head.engine_build()},
                             {"why", head.why()},
                             {"made_unix_ms", head.made_unix_ms()},
                             {"first", head.first()},
                             {"clone", head.clone()},
                             {"end", scan.position()},
                             {"entries", entries},
                             {"events", events},
                             {"instructions", scan.instructions()},
                             {"damage", nullptr}};
      if (const auto& damage = scan.damage()) {
        report["damage"] = {{"offset", damage->offset},
                            {"what", damage->what},
                            {"position", damage->position}};
      }
      fmt::print("{}\n", json::serialize(report));
    } else if (scan.status().ok()) {
      fmt::print(
          "{} is whole: {} entries with {} events, positions {} to {}, {} "
          "instructions{}\n",
          file_, entries, events, head.first(), scan.position(),
          scan.instructions(),
          head.first() == head.clone() ? "" : "; it begins after the clone");
    }
  }

  std::string file_;
  bool json_ = false;
};

const VerbRegistration kLogCheck(std::make_unique<LogCheckCommand>());

}  // namespace
}  // namespace ft::cli
