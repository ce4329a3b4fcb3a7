// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/conditions.h"

#include <boost/json.hpp>

namespace ft::chaos {
namespace json = boost::json;

namespace {

std::string TextOf(const json::object& vm, const char* key) {
  const json::value* field = vm.if_contains(key);
  return field && field->is_string() ? std::string(field->as_string()) : "";
}

// Runs the VM and waits for nobody.
bool Runs(const Condition& host) {
  if (!host.answers || host.role != "primary" || host.engines != 1) {
    return false;
  }
  if (host.state == "protected")
    return host.reason.empty() || host.reason == "none";
  return host.state == "need-backup" || host.state == "disabled" ||
         host.state == "unprotected";
}

// Knows that the other one runs it.
bool StandsBy(const Condition& host, bool as_backup) {
  if (!host.answers) return false;
  if (as_backup) {
    return host.role == "backup" && host.state == "protected" &&
           host.engines == 1;
  }
  return host.role == "none" && host.engines == 0;
}

bool IsPairOf(const Condition& primary, const Condition& other) {
  return Runs(primary) && StandsBy(other, primary.state == "protected");
}

std::string TextOf(const char* name, const Condition& host) {
  std::string text = std::string(name) + ": ";
  if (!host.answers) {
    text += "no answer";
  } else {
    text += host.role + ", " + host.state + ", " + host.reason + " (" +
            host.why + "), epoch " + std::to_string(host.epoch);
  }
  return text + ", " + std::to_string(host.engines) + " engine(s)";
}

}  // namespace

Condition LookAt(bed::Host& host) {
  Condition condition;
  condition.engines = static_cast<int>(host.Engines().size());
  const json::value status = host.Status(bed::kVm);
  if (!status.is_object()) {
    // A host that never heard of the VM answers, too.
    condition.answers = host.Ftctl({"status", "--json"}).ok();
    condition.role = "none";
    return condition;
  }
  const json::object& vm = status.as_object();
  condition.answers = true;
  condition.role = TextOf(vm, "role");
  condition.state = TextOf(vm, "state");
  condition.reason = TextOf(vm, "reason");
  condition.why = TextOf(vm, "why");
  condition.epoch = vm.at("epoch").to_number<uint64_t>();
  return condition;
}

Conditions LookAtBoth(bed::TestBed& bed) {
  return {.a = LookAt(bed.a()), .b = LookAt(bed.b())};
}

std::optional<bed::Side> Conditions::Settled() const {
  if (IsPairOf(a, b)) return bed::Side::kA;
  if (IsPairOf(b, a)) return bed::Side::kB;
  return std::nullopt;
}

bool Conditions::Protected() const {
  return Settled() && (a.state == "protected") && (b.state == "protected");
}

std::string Conditions::Text() const {
  return TextOf("hostA", a) + "; " + TextOf("hostB", b);
}

}  // namespace ft::chaos
