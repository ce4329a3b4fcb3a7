// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <filesystem>
#include <optional>

#include "cli/verb.h"
#include "replay/busy_process.h"
#include "replay/log_bisect.h"

namespace ft::cli {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using replay::BisectReport;

// What a window has unless --instructions says otherwise.
constexpr uint64_t kWindowInstructions = 1'000'000;

class LogBisectCommand : public Verb {
 public:
  std::string name() const override { return "log bisect"; }
  std::string help() const override {
    return "Replay a recording and find the first log entry after which the "
           "machine is another one; exit code 1 if there is one";
  }
  std::string example() const override {
    return "ftctl log bisect /tmp/lockstep-replay.a1b2c3/recording "
           "--window 0.5 --busy";
  }
  void AddOptions(CLI::App& app) override {
    app.add_option("DIRECTORY", directory_,
                   "a recording: snapshot, log.ftlog, command.json, marks")
        ->required();
    app.add_option("--window", window_,
                   "run one instruction per block, from this share of the "
                   "log's instructions on (0 to 1)")
        ->check(CLI::Range(0.0, 1.0));
    app.add_option("--instructions", instructions_, "of the window")
        ->capture_default_str();
    app.add_flag("--busy", busy_, "with a process that uses a whole CPU");
    app.add_option("--engine", engine_, "instead of the one that recorded");
    app.add_flag("--json", json_, "one JSON object");
  }
  Status Run(Client&) override {
    auto recording = replay::Recording::Open(directory_);
    if (!recording.ok()) return recording.status();
    if (!engine_.empty()) recording->set_engine(engine_);
    auto options = Options(*recording);
    if (!options.ok()) return options.status();
    std::optional<replay::BusyProcess> busy;
    if (busy_) busy.emplace();
    auto report = Find(*recording, *options);
    std::error_code ignored;
    std::filesystem::remove_all(options->suspect.work_dir, ignored);
    if (!report.ok()) return report.status();
    json_ ? PrintJson(*report) : fmt::print("{}", replay::Render(*report));
    if (!report->noticed) return Status::Ok();
    return Status::Failed(directory_ + " is not replayed as it was recorded",
                          "see what was printed");
  }

 private:
  Result<replay::BisectOptions> Options(const replay::Recording& recording) {
    replay::BisectOptions options;
    std::string work_dir = std::filesystem::temp_directory_path() /
                           ("lockstep-bisect." + std::string(6, 'X'));
    if (mkdtemp(work_dir.data()) == nullptr) {
      return Status::Unavailable("cannot make the directory " + work_dir);
    }
    options.suspect.work_dir = work_dir;
    options.progress = [](const std::string& line) {
      fmt::print(stderr, "{}\n", line);
    };
    if (window_) {
      auto window =
          replay::WindowOf(recording.log_path(), *window_, instructions_);
      if (!window.ok()) return window.status();
      options.suspect.one_instruction_per_block = *window;
    }
    return options;
  }

  // co_spawn itself would want a result without a value.
  static asio::awaitable<void> Keep(
      asio::io_context& io, const replay::Recording& recording,
      replay::BisectOptions options,
      std::optional<Result<BisectReport>>& report) {
    report.emplace(
        co_await replay::BisectRecording(io, recording, std::move(options)));
  }

  static Result<BisectReport> Find(const replay::Recording& recording,
                                   replay::BisectOptions options) {
    asio::io_context io;
    std::optional<Result<BisectReport>> report;
    asio::co_spawn(io, Keep(io, recording, std::move(options), report),
                   [](std::exception_ptr error) {
                     if (error) std::rethrow_exception(error);
                   });
    while (!report) io.run_one();
    io.restart();
    io.poll();  // what is suspended in an engine ends
    return std::move(*report);
  }

  void PrintJson(const BisectReport& report) {
    json::object out = {{"directory", directory_},
                        {"identical", !report.noticed},
                        {"marks", report.marks},
                        {"verdict", report.verdict},
                        {"entry", nullptr},
                        {"noticed", nullptr},
                        {"expected", report.expected},
                        {"got", report.got},
                        {"details", json::value_from(report.details)}};
    if (const auto& entry = report.entry) {
      out["entry"] = {{"entries", entry->entries},
                      {"position", entry->position},
                      {"end", entry->end},
                      {"instruction", entry->instruction},
                      {"events", json::value_from(entry->events)}};
    }
    if (const auto& noticed = report.noticed) {
      out["noticed"] = {{"position", noticed->position},
                        {"instruction", noticed->instruction},
                        {"last_equal", noticed->last_equal},
                        {"expected", noticed->expected},
                        {"got", noticed->got}};
    }
    fmt::print("{}\n", json::serialize(out));
  }

  std::string directory_;
  std::optional<double> window_;
  uint64_t instructions_ = kWindowInstructions;
  bool busy_ = false;
  std::string engine_;
  bool json_ = false;
};

const VerbRegistration kLogBisect(std::make_unique<LogBisectCommand>());

}  // namespace
}  // namespace ft::cli
