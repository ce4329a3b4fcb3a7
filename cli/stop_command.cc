// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verb.h"

namespace ft::cli {
namespace {

class StopCommand : public Verb {
 public:
  std::string name() const override { return "stop"; }
  std::string help() const override {
    return "End a VM and its protection, and free its record";
  }
  std::string example() const override { return "ftctl stop vm1"; }
  void AddOptions(CLI::App& app) override {
    app.add_option("VM", vm_, "name of the VM")->required();
  }
  Status Run(Client& client) override {
    return CallForVm(client, "stop", vm_, "{} is stopped");
  }

 private:
  std::string vm_;
};

const VerbRegistration kStop(std::make_unique<StopCommand>());

}  // namespace
}  // namespace ft::cli
