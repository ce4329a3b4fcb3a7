// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/verb.h"

#include <fmt/format.h>

#include <algorithm>

namespace ft::cli {
namespace {

std::vector<std::unique_ptr<Verb>>& Registered() {
  static std::vector<std::unique_ptr<Verb>> verbs;
  return verbs;
}

}  // namespace

std::vector<Verb*> AllVerbs() {
  std::vector<Verb*> verbs;
  for (const auto& verb : Registered()) verbs.push_back(verb.get());
  std::ranges::sort(verbs, {}, [](Verb* verb) { return verb->name(); });
  return verbs;
}

VerbRegistration::VerbRegistration(std::unique_ptr<Verb> verb) {
  Registered().push_back(std::move(verb));
}

Status CallForVm(Client& client, const std::string& verb, const std::string& vm,
                 const std::string& done) {
  auto result = client.Call({{"verb", verb}, {"vm", vm}});
  if (!result.ok()) return result.status();
  fmt::print("{}\n", fmt::format(fmt::runtime(done), vm));
  return Status::Ok();
}

}  // namespace ft::cli
