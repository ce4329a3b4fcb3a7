// SPDX-License-Identifier: GPL-2.0-or-later
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
  }
  Status Run(Client& client) override {
    return CallForVm(client, "start", vm_, "{} runs, unprotected");
  }

 private:
  std::string vm_;
};

const VerbRegistration kStart(std::make_unique<StartCommand>());

}  // namespace
}  // namespace ft::cli
