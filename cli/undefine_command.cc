// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verb.h"

namespace ft::cli {
namespace {

class UndefineCommand : public Verb {
 public:
  std::string name() const override { return "undefine"; }
  std::string help() const override {
    return "Forget a VM that does not run here";
  }
  std::string example() const override { return "ftctl undefine vm1"; }
  void AddOptions(CLI::App& app) override {
    app.add_option("VM", vm_, "name of the VM")->required();
  }
  Status Run(Client& client) override {
    return CallForVm(client, "undefine", vm_, "{} is forgotten");
  }

 private:
  std::string vm_;
};

const VerbRegistration kUndefine(std::make_unique<UndefineCommand>());

}  // namespace
}  // namespace ft::cli
