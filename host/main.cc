// SPDX-License-Identifier: GPL-2.0-or-later
//
// ftd: Lockstep's daemon, one per host.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <string>

#include "host/config.h"
#include "host/daemon.h"

namespace {

// Bad config, unwritable directory, port in use, second instance: one line.
constexpr int kExitRefused = 2;

int Refuse(const ft::Status& status) {
  fmt::print(stderr, "ftd: {}\n", status.ToString());
  return kExitRefused;
}

void SetUpLogging(const std::string& level) {
  auto logger = std::make_shared<spdlog::logger>(
      "ftd", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(logger);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("ftd: runs and protects the VMs of this host", "ftd");
  std::string config_path = "/etc/lockstep/ftd.toml";
  std::string level = "info";
  bool check = false;
  app.add_option("--config", config_path, "config file (TOML)")
      ->capture_default_str();
  app.add_option("--log-level", level, "trace, debug, info, warn or error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_flag("--check", check, "check the config file and exit");
  app.set_version_flag("--version", std::string("ftd ") + FT_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return Refuse(ft::Status::Invalid(error.what(), "see ftd --help"));
  }
  auto config = ft::host::LoadConfig(config_path);
  if (!config.ok()) return Refuse(config.status());
  if (check) {
    fmt::print("{}: ok, host {}\n", config_path, config->host);
    return 0;
  }
  std::signal(SIGPIPE, SIG_IGN);
  SetUpLogging(level);
  ft::host::Daemon daemon(std::move(*config));
  if (ft::Status status = daemon.Open(); !status.ok()) {
    Refuse(status);
    std::_Exit(kExitRefused);
  }
  daemon.Run();
  spdlog::shutdown();
  // Not return: a thread that hangs in dead storage must not keep us.
  std::_Exit(0);
}
