// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include "cli/store_argument.h"
#include "cli/verb.h"
#include "fencing/store_factory.h"

namespace ft::cli {
namespace {

class FencingFormatCommand : public Verb {
 public:
  std::string name() const override { return "fencing format"; }
  std::string help() const override {
    return "Make an empty LUN a test-and-set store";
  }
  std::string example() const override {
    return "ftctl fencing format iscsi://10.0.0.5/iqn.2001-05.com.example:ft/1";
  }
  void AddOptions(CLI::App& app) override {
    store_.AddOptions(app);
    app.add_flag("--force", force_,
                 "overwrite what is there, records of VMs included");
  }
  Status Run(Client&) override {
    const auto options = store_.Options();
    if (!options.ok()) return options.status();
    if (Status s = fencing::FormatStore(*options, force_); !s.ok()) return s;
    fmt::print("{} is formatted\n", Describe(*options));
    return Status::Ok();
  }

 private:
  StoreArgument store_;
  bool force_ = false;
};

const VerbRegistration kFormat(std::make_unique<FencingFormatCommand>());

}  // namespace
}  // namespace ft::cli
