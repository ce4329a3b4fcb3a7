// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "cli/verb.h"
#include "host/control_protocol.h"

namespace ft::cli {
namespace {

// Answers without an ftd too: its own version is never in doubt.
class VersionCommand : public Verb {
 public:
  std::string name() const override { return "version"; }
  std::string help() const override {
    return "Show the versions of ftctl and of the ftd that answers";
  }
  std::string example() const override { return "ftctl version"; }
  void AddOptions(CLI::App&) override {}
  Status Run(Client& client) override {
    fmt::print("ftctl {}\n", FT_VERSION);
    auto result = client.Call({{"verb", "version"}});
    if (!result.ok()) return result.status();
    fmt::print("ftd {} on {}\n", host::TextOf(*result, "version"),
               host::TextOf(*result, "host"));
    return Status::Ok();
  }
};

const VerbRegistration kVersion(std::make_unique<VersionCommand>());

}  // namespace
}  // namespace ft::cli
