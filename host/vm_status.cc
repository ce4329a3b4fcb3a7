// SPDX-License-Identifier: GPL-2.0-or-later
//
// One VM as `ftctl status --json` shows it. docs/operations.md explains the
// fields to operators.
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "host/backup_session.h"
#include "host/vm.h"

namespace ft::host {
namespace json = boost::json;
namespace {

json::object ToJson(const VmCondition& condition) {
  json::object o;
  o["role"] = Name(condition.role);
  o["state"] = Name(condition.state);
  o["reason"] = Name(condition.reason);
  o["epoch"] = condition.epoch;
  o["peer"] = condition.peer;
  o["since"] = IsoTime(condition.since_ms);
  o["why"] = condition.why;
  return o;
}

json::value ToJson(const std::optional<backup::FailoverTimes>& times) {
  if (!times) return nullptr;
  return json::object{{"detect_ms", times->detect_ms},
                      {"test_and_set_ms", times->test_and_set_ms},
                      {"drain_ms", times->drain_ms},
                      {"total_ms", times->total_ms}};
}

json::array ToJson(const std::vector<primary::ReplicaState>& replicas) {
  json::array array;
  for (const primary::ReplicaState& replica : replicas) {
    array.push_back(json::object{{"disk", replica.disk},
                                 {"path", replica.path},
                                 {"stage", Name(replica.stage)},
                                 {"done_bytes", replica.done},
                                 {"total_bytes", replica.total},
                                 {"sent_bytes", replica.sent},
                                 {"text", Describe(replica)}});
  }
  return array;
}

void AddEngine(const replay::EngineState& state, json::object* o) {
  (*o)["guest_running"] = state.running;
  (*o)["holding"] = state.holding;
  (*o)["held_outputs"] = state.held_outputs;
  (*o)["outputs"] = state.outputs;
  (*o)["output_delay_us_p50"] = state.output_delay_us_p50;
  (*o)["output_delay_us_p99"] = state.output_delay_us_p99;
  (*o)["guest_instructions"] = state.icount;
  (*o)["engine_build"] = state.engine_build;
}

}  // namespace

json::object Vm::Positions() const {
  json::object o;
  if (session_ != nullptr) {
    backup::BackupMetrics m = session_->metrics();
    o["committed"] = m.received;
    o["sent"] = m.received;
    o["received"] = m.received;
    o["replayed"] = m.replayed;
    o["released"] = m.released;
    return o;
  }
  const primary::PrimaryMetrics& m = primary_metrics_;
  o["committed"] = engine_ ? engine_->ring().committed() : m.committed;
  o["sent"] = m.sent;
  o["received"] = m.received;
  o["replayed"] = m.replayed;
  o["released"] = m.released;
  return o;
}

Vm::Awaitable<json::object> Vm::Describe() {
  auto self = shared_from_this();
  if (protection_) primary_metrics_ = protection_->agent->metrics();
  replay::Engine* engine = session_ ? session_->engine() : engine_.get();
  json::object o;
  o["name"] = name();
  for (auto& [key, value] : ToJson(condition_)) o[key] = value;
  o["busy"] = verb_;
  o["engine_pid"] = engine ? engine->process().pid() : 0;
  o["engine_running"] = engine != nullptr && engine->running();
  o["positions"] = Positions();
  const primary::PrimaryMetrics& m = primary_metrics_;
  o["execution_lag_ms"] = m.execution_lag_ms;
  o["execution_lag_ms_p50"] = m.execution_lag_ms_p50;
  o["execution_lag_ms_p99"] = m.execution_lag_ms_p99;
  o["log_bytes"] = session_ ? session_->metrics().log_bytes : m.log_bytes;
  o["log_mbit_per_s"] = m.log_mbit_per_s;
  o["log_wire_bytes"] = m.wire_bytes;
  o["log_wire_mbit_per_s"] = m.wire_mbit_per_s;
  o["clone_pause_ms"] = m.clone_pause_ms;
  o["clone_total_ms"] = m.clone_total_ms;
  o["test_and_set_ms"] = m.test_and_set_ms;
  o["replica_of"] = disks_.replica_of;
  o["replicas"] = ToJson(session_ ? session_->metrics().replicas : m.replicas);
  o["failover"] = ToJson(failover_);
  AddEngine({}, &o);
  // The only part that asks somebody else; a stuck engine costs its numbers.
  if (engine != nullptr && engine->running() && session_ == nullptr) {
    auto state = co_await engine->Query();
    if (state.ok()) AddEngine(*state, &o);
  }
  co_return o;
}

}  // namespace ft::host
