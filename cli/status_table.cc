// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/status_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <vector>

#include "host/control_protocol.h"

namespace ft::cli {
namespace json = boost::json;
using host::FlagOf;
using host::TextOf;

namespace {

double NumberOf(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code error;
  double number = value->to_number<double>(error);
  return error ? 0 : number;
}

uint64_t CountOf(const json::object& object, const char* key) {
  return static_cast<uint64_t>(std::max(0.0, NumberOf(object, key)));
}

json::object ObjectOf(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_object() ? value->get_object() : json::object();
}

std::vector<json::object> ObjectsOf(const json::object& object,
                                    const char* key) {
  std::vector<json::object> objects;
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_array()) return objects;
  for (const json::value& element : value->get_array()) {
    if (element.is_object()) objects.push_back(element.get_object());
  }
  return objects;
}

std::string Dash(std::string text) { return text.empty() ? "-" : text; }

// "protected", "need-backup (host-failure)".
std::string StateOf(const json::object& vm) {
  std::string reason = TextOf(vm, "reason");
  std::string state = TextOf(vm, "state");
  return reason.empty() ? state : fmt::format("{} ({})", state, reason);
}

// The time of day is enough in a table; the date is in the details.
std::string SinceOf(const json::object& vm) {
  std::string since = TextOf(vm, "since");
  return since.size() >= 19 ? since.substr(11, 8) : since;
}

using Row = std::array<std::string, 9>;

Row RowOf(const json::object& vm) {
  return {TextOf(vm, "name"),
          TextOf(vm, "role"),
          StateOf(vm),
          fmt::format("{}", CountOf(vm, "epoch")),
          Dash(TextOf(vm, "peer")),
          FlagOf(vm, "engine_running")
              ? fmt::format("{}", CountOf(vm, "engine_pid"))
              : "-",
          fmt::format("{:.1f}", NumberOf(vm, "execution_lag_ms")),
          SinceOf(vm),
          TextOf(vm, "why")};
}

std::string RenderRows(const std::vector<Row>& rows) {
  std::array<size_t, std::tuple_size_v<Row>> widths = {};
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i + 1 < row.size(); ++i) {
      line += fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    text += line + row.back() + "\n";
  }
  return text;
}

void Fact(std::string* text, const char* name, const std::string& value) {
  *text += fmt::format("  {:<16}{}\n", name, value);
}

void LogFacts(const json::object& vm, std::string* text) {
  json::object p = ObjectOf(vm, "positions");
  Fact(text, "log positions",
       fmt::format("committed {}, sent {}, received {}, replayed {}, "
                   "released {}",
                   CountOf(p, "committed"), CountOf(p, "sent"),
                   CountOf(p, "received"), CountOf(p, "replayed"),
                   CountOf(p, "released")));
  Fact(text, "execution lag",
       fmt::format("{:.1f} ms (p50 {:.1f}, p99 {:.1f})",
                   NumberOf(vm, "execution_lag_ms"),
                   NumberOf(vm, "execution_lag_ms_p50"),
                   NumberOf(vm, "execution_lag_ms_p99")));
  Fact(text, "log",
       fmt::format("{:.2f} Mbit/s, {:.2f} on the wire; {} bytes since the "
                   "clone, {} on the wire",
                   NumberOf(vm, "log_mbit_per_s"),
                   NumberOf(vm, "log_wire_mbit_per_s"),
                   CountOf(vm, "log_bytes"), CountOf(vm, "log_wire_bytes")));
  Fact(text, "output delay",
       fmt::format("p50 {} us, p99 {} us; {} outputs held",
                   CountOf(vm, "output_delay_us_p50"),
                   CountOf(vm, "output_delay_us_p99"),
                   CountOf(vm, "held_outputs")));
  Fact(text, "clone",
       fmt::format("pause {:.1f} ms, total {:.0f} ms",
                   NumberOf(vm, "clone_pause_ms"),
                   NumberOf(vm, "clone_total_ms")));
  for (const json::object& replica : ObjectsOf(vm, "replicas")) {
    Fact(text, "disk", TextOf(replica, "text"));
  }
  json::object failover = ObjectOf(vm, "failover");
  if (failover.empty()) return;
  Fact(text, "last failover",
       fmt::format("{:.1f} ms: detect {:.1f}, test-and-set {:.1f}, drain "
                   "{:.1f}",
                   NumberOf(failover, "total_ms"),
                   NumberOf(failover, "detect_ms"),
                   NumberOf(failover, "test_and_set_ms"),
                   NumberOf(failover, "drain_ms")));
}

}  // namespace

std::string RenderTable(const json::object& status) {
  std::vector<json::object> vms = ObjectsOf(status, "vms");
  std::string host = TextOf(status, "host");
  if (vms.empty()) {
    return fmt::format("{}: no VMs; ftctl define FILE adds one\n", host);
  }
  std::vector<Row> rows = {{"VM", "ROLE", "STATE", "EPOCH", "PEER", "ENGINE",
                            "LAG ms", "SINCE", "WHY"}};
  for (const json::object& vm : vms) rows.push_back(RowOf(vm));
  return fmt::format("host {}\n{}", host, RenderRows(rows));
}

std::string RenderDetails(const json::object& status) {
  std::string text;
  for (const json::object& vm : ObjectsOf(status, "vms")) {
    text +=
        fmt::format("{} on {}\n", TextOf(vm, "name"), TextOf(status, "host"));
    Fact(&text, "role", TextOf(vm, "role"));
    Fact(&text, "state", StateOf(vm));
    Fact(&text, "why", TextOf(vm, "why"));
    Fact(&text, "since", TextOf(vm, "since"));
    Fact(&text, "epoch", fmt::format("{}", CountOf(vm, "epoch")));
    Fact(&text, "peer", Dash(TextOf(vm, "peer")));
    std::string origin = TextOf(vm, "replica_of");
    if (!origin.empty()) {
      Fact(&text, "private disks", fmt::format("a replica of {}'s", origin));
    }
    Fact(&text, "engine",
         FlagOf(vm, "engine_running")
             ? fmt::format("pid {}", CountOf(vm, "engine_pid"))
             : "none");
    LogFacts(vm, &text);
  }
  return text;
}

std::string RenderEvents(const json::object& events) {
  std::string text;
  for (const json::object& event : ObjectsOf(events, "events")) {
    text += fmt::format("{}  epoch {}  {:<10}  {}\n", TextOf(event, "time"),
                        CountOf(event, "epoch"), TextOf(event, "event"),
                        TextOf(event, "text"));
  }
  return text;
}

}  // namespace ft::cli
