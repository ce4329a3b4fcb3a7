// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <cstdio>

#include "cli/status_table.h"
#include "cli/verb.h"

namespace ft::cli {
namespace {

std::atomic<bool> interrupted = false;

class StatusCommand : public Verb {
 public:
  std::string name() const override { return "status"; }
  std::string help() const override {
    return "Show role, state and numbers of the VMs of this host";
  }
  std::string example() const override { return "ftctl status vm1 --watch"; }
  void AddOptions(CLI::App& app) override {
    app.add_option("VM", vm_, "only this one, in detail");
    app.add_flag("--json", json_, "one JSON object");
    app.add_flag("--watch", watch_, "again every second, until Ctrl-C");
  }
  Status Run(Client& client) override {
    if (!watch_) return Show(client);
    // Without SA_RESTART, so that the pause below ends too.
    struct sigaction action = {};
    action.sa_handler = [](int) { interrupted = true; };
    sigaction(SIGINT, &action, nullptr);
    bool terminal = isatty(STDOUT_FILENO) != 0;
    while (!interrupted) {
      if (terminal && !json_) fmt::print("\033[H\033[2J");
      Status status = Show(client);
      if (!status.ok()) return status;
      std::fflush(stdout);
      usleep(1'000'000);
    }
    return Status::Ok();
  }

 private:
  Status Show(Client& client) {
    auto result = client.Call({{"verb", "status"}, {"vm", vm_}});
    if (!result.ok()) return result.status();
    if (json_) {
      fmt::print("{}\n", boost::json::serialize(*result));
    } else if (vm_.empty()) {
      fmt::print("{}", RenderTable(*result));
    } else {
      fmt::print("{}", RenderDetails(*result));
    }
    return Status::Ok();
  }

  std::string vm_;
  bool json_ = false;
  bool watch_ = false;
};

const VerbRegistration kStatus(std::make_unique<StatusCommand>());

}  // namespace
}  // namespace ft::cli
