// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verb.h"

namespace ft::cli {
namespace {

class DisableCommand : public Verb {
 public:
  std::string name() const override { return "disable"; }
  std::string help() const override {
    return "End a VM's protection; it runs on here";
  }
  std::string example() const override { return "ftctl disable vm1"; }
  void AddOptions(CLI::App& app) override {
    app.add_option("VM", vm_, "name of the VM")->required();
  }
  Status Run(Client& client) override {
    return CallForVm(client, "disable", vm_, "{} runs, unprotected");
  }

 private:
  std::string vm_;
};

const VerbRegistration kDisable(std::make_unique<DisableCommand>());

}  // namespace
}  // namespace ft::cli
