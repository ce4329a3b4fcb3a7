// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <cstdint>

#include "cli/verb.h"
#include "replay/log_scan.h"

namespace ft::cli {
namespace {

namespace json = boost::json;
using replay::LogEvent;

std::string Hex(std::span<const std::byte> data) {
  std::string text;
  for (const std::byte byte : data) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

class LogDumpCommand : public Verb {
 public:
  std::string name() const override { return "log dump"; }
  std::string help() const override {
    return "Print the events of an archived log, one a line";
  }
  std::string example() const override {
    return "ftctl log dump divergence.ftlog --from 81920 --to 82000";
  }
  void AddOptions(CLI::App& app) override {
    app.add_option("FILE", file_, "an archived log")->required();
    app.add_option("--from", from_,
                   "only events at this log position or after");
    app.add_option("--to", to_, "only events before this log position");
    app.add_flag("--hex", hex_, "with the bytes of packets and input");
    app.add_flag("--json", json_, "a JSON object a line");
  }
  Status Run(Client&) override {
    auto opened = replay::LogScan::Open(file_);
    if (!opened.ok()) return opened.status();
    replay::LogScan& scan = **opened;
    if (!json_) {
      fmt::print("{:>12} {:>14}  {}\n", "POSITION", "INSTRUCTION", "EVENT");
    }
    while (scan.position() < to_ && scan.NextEntry()) {
      while (auto event = scan.NextEvent()) {
        if (event->position >= from_ && event->position < to_) {
          Print(scan.entry().position, *event);
        }
      }
    }
    if (scan.status().ok()) return Status::Ok();
    return Status::Failed(scan.status().message(), scan.status().remedy());
  }

 private:
  void Print(uint64_t entry, const LogEvent& event) {
    if (!json_) {
      fmt::print("{:>12} {:>14}  {}\n", event.position, event.instruction,
                 replay::Summary(event));
      if (hex_ && !event.data.empty()) fmt::print("    {}\n", Hex(event.data));
      return;
    }
    json::object line = {{"position", event.position},
                         {"entry", entry},
                         {"instruction", event.instruction},
                         {"kind", replay::Name(event.kind)},
                         {"bytes", event.bytes},
                         {"id", event.id},
                         {"value", event.value},
                         {"data_bytes", event.data.size()},
                         {"text", replay::Describe(event)}};
    if (hex_) line["data"] = Hex(event.data);
    fmt::print("{}\n", json::serialize(line));
  }

  std::string file_;
  uint64_t from_ = 0;
  uint64_t to_ = UINT64_MAX;
  bool hex_ = false;
  bool json_ = false;
};

const VerbRegistration kLogDump(std::make_unique<LogDumpCommand>());

}  // namespace
}  // namespace ft::cli
