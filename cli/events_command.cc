// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cli/status_table.h"
#include "cli/verb.h"

namespace ft::cli {
namespace {

class EventsCommand : public Verb {
 public:
  std::string name() const override { return "events"; }
  std::string help() const override {
    return "Show what happened to a VM, oldest first";
  }
  std::string example() const override { return "ftctl events vm1 --limit 20"; }
  void AddOptions(CLI::App& app) override {
    app.add_option("VM", vm_, "name of the VM")->required();
    app.add_option("--limit", limit_, "only the last so many")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_flag("--json", json_, "one JSON object");
  }
  Status Run(Client& client) override {
    auto result =
        client.Call({{"verb", "events"}, {"vm", vm_}, {"limit", limit_}});
    if (!result.ok()) return result.status();
    if (json_) {
      fmt::print("{}\n", boost::json::serialize(*result));
    } else {
      fmt::print("{}", RenderEvents(*result));
    }
    return Status::Ok();
  }

 private:
  std::string vm_;
  int limit_ = 1000;
  bool json_ = false;
};

const VerbRegistration kEvents(std::make_unique<EventsCommand>());

}  // namespace
}  // namespace ft::cli
