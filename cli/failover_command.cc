// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verb.h"

namespace ft::cli {
namespace {

class FailoverCommand : public Verb {
 public:
  std::string name() const override { return "failover"; }
  std::string help() const override {
    return "Move a protected VM to its backup, without loss";
  }
  std::string example() const override { return "ftctl failover vm1"; }
  void AddOptions(CLI::App& app) override {
    app.add_option("VM", vm_, "name of the VM")->required();
  }
  Status Run(Client& client) override {
    return CallForVm(client, "failover", vm_,
                     "{} runs on its former backup now");
  }

 private:
  std::string vm_;
};

const VerbRegistration kFailover(std::make_unique<FailoverCommand>());

}  // namespace
}  // namespace ft::cli
