// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/verb.h"
#include "host/control_protocol.h"

namespace ft::cli {
namespace {

// ftctl reads the file, so it may be anywhere that the operator can read.
class DefineCommand : public Verb {
 public:
  std::string name() const override { return "define"; }
  std::string help() const override {
    return "Make a VM known to this host, from its VM file";
  }
  std::string example() const override { return "ftctl define vm1.toml"; }
  void AddOptions(CLI::App& app) override {
    app.add_option("FILE", file_, "VM file (TOML)")->required();
  }
  Status Run(Client& client) override {
    std::ifstream in(file_, std::ios::binary);
    std::ostringstream text;
    if (in) text << in.rdbuf();
    if (!in || std::filesystem::is_directory(file_)) {
      return Status::Invalid(fmt::format("cannot read {}", file_),
                             "check the path and its permissions");
    }
    auto result = client.Call(
        {{"verb", "define"}, {"file", file_}, {"text", text.str()}});
    if (!result.ok()) return result.status();
    const boost::json::value* vm = result->if_contains("vm");
    fmt::print("{} is defined\n",
               vm ? host::TextOf(vm->as_object(), "name") : file_);
    return Status::Ok();
  }

 private:
  std::string file_;
};

const VerbRegistration kDefine(std::make_unique<DefineCommand>());

}  // namespace
}  // namespace ft::cli
