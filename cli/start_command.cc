// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "cli/verb.h"

namespace ft::cli {
namespace {

class StartCommand : public Verb {
 public:
  std::string name() const override { return "start"; }
  std::string help() const override {
    return "Run a VM on this host, unprotected";
  }
  std::string example() const override { return "ftctl start vm1"; }
  void AddOptions(CLI::App& app) override {
    app.add_option("VM", vm_, "name of the VM")->required();
    app.add_flag("--disks-are-current", disks_are_current_,
                 "its private disks were copied here by hand: start from them "
                 "although it ran last elsewhere");
  }
  Status Run(Client& client) override {
    auto result = client.Call({{"verb", "start"},
                               {"vm", vm_},
                               {"disks_are_current", disks_are_current_}});
    if (!result.ok()) return result.status();
    fmt::print("{} runs, unprotected\n", vm_);
    return Status::Ok();
  }

 private:
  std::string vm_;
  bool disks_are_current_ = false;
};

const VerbRegistration kStart(std::make_unique<StartCommand>());

}  // namespace
}  // namespace ft::cli
