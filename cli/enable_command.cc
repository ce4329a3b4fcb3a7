// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "cli/verb.h"

namespace ft::cli {
namespace {

class EnableCommand : public Verb {
 public:
  std::string name() const override { return "enable"; }
  std::string help() const override {
    return "Protect a running VM by a backup on another host";
  }
  std::string example() const override {
    return "ftctl enable vm1 --backup hostB";
  }
  void AddOptions(CLI::App& app) override {
    app.add_option("VM", vm_, "name of the VM")->required();
    app.add_option("--backup", backup_,
                   "host of the backup, as in ftd's config")
        ->required();
    app.add_option("--timeout", timeout_s_,
                   "give up after so many seconds, counted from the last "
                   "progress of a replica (default: ftd's protect_ms)")
        ->check(CLI::Range(1.0, 3600.0));
  }
  Status Run(Client& client) override {
    boost::json::object request{
        {"verb", "enable"}, {"vm", vm_}, {"backup", backup_}};
    if (timeout_s_ > 0) {
      request["timeout_ms"] = static_cast<int64_t>(timeout_s_ * 1000);
    }
    auto result = client.Call(
        request, [](const std::string& stage, const std::string& text) {
          fmt::print(stderr, "{}: {}\n", stage, text);
        });
    if (!result.ok()) return result.status();
    fmt::print("{} is protected by {}\n", vm_, backup_);
    return Status::Ok();
  }

 private:
  std::string vm_;
  std::string backup_;
  double timeout_s_ = 0;  // 0: ftd's default
};

const VerbRegistration kEnable(std::make_unique<EnableCommand>());

}  // namespace
}  // namespace ft::cli
