// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "cli/store_argument.h"
#include "cli/verb.h"
#include "fencing/store_factory.h"

namespace ft::cli {
namespace {

namespace json = boost::json;

class FencingShowCommand : public Verb {
 public:
  std::string name() const override { return "fencing show"; }
  std::string help() const override {
    return "Which host may run a VM, as the test-and-set store has it";
  }
  std::string example() const override { return "ftctl fencing show vm1"; }
  void AddOptions(CLI::App& app) override {
    app.add_option("VM", vm_, "name of the VM")->required();
    store_.AddOptions(app);
    app.add_flag("--json", json_, "one JSON object");
  }
  Status Run(Client&) override {
    const auto options = store_.Options();
    if (!options.ok()) return options.status();
    auto store = fencing::MakeStore(*options);
    if (!store.ok()) return store.status();
    if (Status s = (*store)->Probe(); !s.ok()) return s;
    const auto read = (*store)->Read(vm_);
    if (!read.ok()) return read.status();
    json_ ? PrintJson(*read) : PrintLine(*read, Describe(*options));
    return Status::Ok();
  }

 private:
  using Record = std::optional<fencing::VmRecord>;

  void PrintLine(const Record& record, const std::string& where) const {
    if (!record) return fmt::print("{} has no record in {}\n", vm_, where);
    fmt::print("{}: epoch {}, {}\n", vm_, record->epoch,
               record->released() ? "stopped, any host may start it"
                                  : "held by " + record->holder);
  }
  void PrintJson(const Record& record) const {
    json::object report = {
        {"vm", vm_}, {"epoch", nullptr}, {"holder", nullptr}};
    if (record) report["epoch"] = record->epoch;
    if (record && !record->released()) report["holder"] = record->holder;
    fmt::print("{}\n", json::serialize(report));
  }

  std::string vm_;
  StoreArgument store_;
  bool json_ = false;
};

const VerbRegistration kFencingShow(std::make_unique<FencingShowCommand>());

}  // namespace
}  // namespace ft::cli
