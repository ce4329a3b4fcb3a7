// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/control_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <string_view>

#include "host/control_protocol.h"
#include "host/engine_launcher.h"
#include "host/vm_file.h"
#include "host/vm_registry.h"

namespace ft::host {
namespace json = boost::json;
namespace {

constexpr std::array<std::string_view, 5> kActions = {"start", "stop", "enable",
                                                      "disable", "failover"};

// That of protect_ms in the config, and of ftctl. One of ages, added to the
// time of now, would be in the past.
constexpr int64_t kEnableTimeoutMsMax = 3'600'000;

// Not in the coroutines below: g++ 12 cannot build a list there.
json::object Of(const char* key, json::value value) {
  json::object object;
  object[key] = std::move(value);
  return object;
}

}  // namespace

ControlApi::Answer ControlApi::Handle(json::object request,
                                      Vm::Progress progress) {
  std::string verb = TextOf(request, "verb");
  std::string name = TextOf(request, "vm");
  if (verb == "version") co_return Version();
  if (verb == "define") co_return Define(request);
  if (verb == "events") co_return Events(request);
  if (verb == "status") co_return co_await StatusOf(name);
  if (verb == "undefine") {
    Status status = co_await registry_.Undefine(name);
    if (!status.ok()) co_return status;
    co_return Of("vm", json::value(name));
  }
  if (std::ranges::find(kActions, verb) == kActions.end()) {
    co_return Status::Invalid(fmt::format("ftd knows no verb {}", verb),
                              "use the ftctl of the same version as ftd");
  }
  auto vm = registry_.Require(name);
  if (!vm.ok()) co_return vm.status();
  Status status = co_await Act(*vm, verb, request, std::move(progress));
  if (!status.ok()) co_return status;
  json::object described = co_await (*vm)->Describe();
  co_return Of("vm", std::move(described));
}

boost::asio::awaitable<Status> ControlApi::Act(std::shared_ptr<Vm> vm,
                                               std::string verb,
                                               const json::object& request,
                                               Vm::Progress progress) {
  if (verb == "start") {
    co_return co_await vm->Start(FlagOf(request, "disks_are_current"));
  }
  if (verb == "stop") co_return co_await vm->Stop();
  if (verb == "disable") co_return co_await vm->Disable();
  if (verb == "failover") co_return co_await vm->Failover();
  auto timeout_ms =
      IntegerWithin(request, "timeout_ms", context_.config.timeouts.protect_ms,
                    1, kEnableTimeoutMsMax);
  if (!timeout_ms.ok()) co_return timeout_ms.status();
  co_return co_await vm->Enable(TextOf(request, "backup"),
                                std::chrono::milliseconds(*timeout_ms),
                                std::move(progress));
}

Result<json::object> ControlApi::Version() const {
  return json::object{{"version", FT_VERSION}, {"host", context_.config.host}};
}

Result<json::object> ControlApi::Define(const json::object& request) {
  std::string text = TextOf(request, "text");
  auto definition = ParseVmFile(text, TextOf(request, "file"));
  if (!definition.ok()) return definition.status();
  Status status = CheckFiles(*definition);
  if (!status.ok()) return status;
  auto vm = registry_.Define(*definition, text);
  if (!vm.ok()) return vm.status();
  return json::object{{"vm", json::object{{"name", definition->name}}}};
}

Result<json::object> ControlApi::Events(const json::object& request) const {
  auto vm = registry_.Require(TextOf(request, "vm"));
  if (!vm.ok()) return vm.status();
  int64_t limit = IntegerOf(request, "limit", EventLog::kEventsPerVm);
  limit = std::clamp<int64_t>(limit, 0, EventLog::kEventsPerVm);
  json::array events;
  for (const Event& event :
       context_.events.Events((*vm)->name(), static_cast<size_t>(limit))) {
    events.push_back(json::object{{"time", IsoTime(event.wall_clock_ms)},
                                  {"epoch", event.epoch},
                                  {"event", event.kind},
                                  {"text", event.text}});
  }
  return json::object{{"vm", (*vm)->name()}, {"events", std::move(events)}};
}

ControlApi::Answer ControlApi::StatusOf(std::string name) {
  std::vector<std::shared_ptr<Vm>> vms;
  if (name.empty()) {
    vms = registry_.All();
  } else {
    auto vm = registry_.Require(name);
    if (!vm.ok()) co_return vm.status();
    vms.push_back(*vm);
  }
  json::array described;
  for (const std::shared_ptr<Vm>& vm : vms) {
    described.push_back(co_await vm->Describe());
  }
  json::object result = Of("host", json::value(context_.config.host));
  result["vms"] = std::move(described);
  co_return result;
}

}  // namespace ft::host
