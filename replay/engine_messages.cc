// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/engine_messages.h"

#include "replay/whole_number.h"

namespace ft::replay {
namespace {

namespace json = boost::json;

// Reads fields of one object; remembers the first that was not there.
class FieldReader {
 public:
  explicit FieldReader(const json::object* object) : object_(object) {
    if (object == nullptr) Miss("(the object itself)");
  }
  explicit FieldReader(const json::value& value)
      : FieldReader(value.if_object()) {}

  FieldReader& Read(const char* name, uint64_t& out) {
    if (const json::value* value = Find(name)) {
      if (const auto number = WholeNumber<uint64_t>(*value)) {
        out = *number;
      } else {
        Miss(name);
      }
    }
    return *this;
  }
  FieldReader& Read(const char* name, bool& out) {
    if (const json::value* value = Find(name)) {
      if (const bool* flag = value->if_bool()) {
        out = *flag;
      } else {
        Miss(name);
      }
    }
    return *this;
  }
  FieldReader& Read(const char* name, std::string& out) {
    if (const json::value* value = Find(name)) {
      if (const json::string* text = value->if_string()) {
        out.assign(text->begin(), text->end());
      } else {
        Miss(name);
      }
    }
    return *this;
  }

  Status status() const {
    if (missing_.empty()) return Status::Ok();
    return Status::Failed("the engine's answer has no valid field \"" +
                          missing_ + "\"");
  }

 private:
  const json::value* Find(const char* name) {
    if (object_ == nullptr) return nullptr;
    const json::value* value = object_->if_contains(name);
    if (value == nullptr) Miss(name);
    return value;
  }
  void Miss(const char* name) {
    if (missing_.empty()) missing_ = name;
  }

  const json::object* object_;
  std::string missing_;
};

template <typename T>
Result<T> Finish(const FieldReader& reader, T value) {
  if (auto status = reader.status(); !status.ok()) return status;
  return value;
}

}  // namespace

Result<EngineState> ParseEngineState(const json::value& answer) {
  EngineState state;
  std::string mode, log_mode;
  FieldReader reader(answer);
  reader.Read("mode", mode)
      .Read("log-mode", log_mode)
      .Read("holding", state.holding)
      .Read("running", state.running)
      .Read("orphaned", state.orphaned)
      .Read("diverged", state.diverged)
      .Read("committed", state.committed)
      .Read("consumed", state.consumed)
      .Read("acknowledged", state.acknowledged)
      .Read("released", state.released)
      .Read("icount", state.icount)
      .Read("held-outputs", state.held_outputs)
      .Read("held-bytes", state.held_bytes)
      .Read("outputs", state.outputs)
      .Read("output-delay-us-p50", state.output_delay_us_p50)
      .Read("output-delay-us-p99", state.output_delay_us_p99)
      .Read("clone-pause-us", state.clone_pause_us)
      .Read("clone-total-us", state.clone_total_us)
      .Read("engine-build", state.engine_build);
  state.recording = mode == "record";
  state.keeping_log = log_mode == "keep";
  return Finish(reader, std::move(state));
}

Result<CloneResult> ParseCloneEvent(const json::object& data) {
  std::string status, error;
  FieldReader outcome(&data);
  outcome.Read("status", status);
  if (!outcome.status().ok()) return outcome.status();
  if (status != "completed") {
    FieldReader(&data).Read("error", error);
    return Status::Failed("the clone failed: " +
                          (error.empty() ? status : error));
  }
  CloneResult result;
  FieldReader reader(&data);
  reader.Read("position", result.position)
      .Read("pause-us", result.pause_us)
      .Read("total-us", result.total_us);
  return Finish(reader, result);
}

Result<ReplicaProgress> ParseReplicaEvent(const json::object& data) {
  ReplicaProgress progress;
  FieldReader reader(&data);
  reader.Read("node", progress.node)
      .Read("done", progress.done)
      .Read("total", progress.total)
      .Read("sent", progress.sent);
  return Finish(reader, std::move(progress));
}

Result<LiveResult> ParseLiveEvent(const json::object& data) {
  LiveResult result;
  FieldReader reader(&data);
  reader.Read("position", result.position).Read("drain-us", result.drain_us);
  return Finish(reader, result);
}

Result<MachineDigest> ParseDigest(const json::value& answer) {
  MachineDigest digest;
  FieldReader reader(answer);
  reader.Read("icount", digest.icount)
      .Read("position", digest.position)
      .Read("ram", digest.ram)
      .Read("cpu", digest.cpu)
      .Read("devices", digest.devices);
  return Finish(reader, std::move(digest));
}

namespace {

// The piece of "A; B; C" that begins at `at`.
std::string Piece(const std::string& list, size_t at) {
  return list.substr(at, list.find("; ", at) - at);
}

}  // namespace

std::string FirstDifference(const MachineDigest& a, const MachineDigest& b) {
  if (a.icount != b.icount || a.position != b.position) return "position";
  if (a.cpu != b.cpu) return "vCPU registers";
  if (a.ram != b.ram) return "RAM";
  size_t at_a = 0, at_b = 0;
  while (at_a < a.devices.size() && at_b < b.devices.size()) {
    const std::string own = Piece(a.devices, at_a);
    const std::string other = Piece(b.devices, at_b);
    if (own != other) return "state of " + own + " and " + other;
    at_a += own.size() + 2;
    at_b += other.size() + 2;
  }
  return a.devices == b.devices ? "" : "number of devices";
}

Result<uint64_t> ParsePosition(const json::value& answer) {
  uint64_t position = 0;
  FieldReader reader(answer);
  reader.Read("position", position);
  return Finish(reader, position);
}

Divergence ParseDivergence(const json::object& data) {
  Divergence divergence;
  FieldReader(&data)
      .Read("position", divergence.position)
      .Read("icount", divergence.icount)
      .Read("expected", divergence.expected)
      .Read("got", divergence.got);
  return divergence;
}

}  // namespace ft::replay
