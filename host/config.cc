// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/config.h"

#include <fmt/format.h>

#include <filesystem>

#include "host/store_config.h"
#include "logchannel/toml_reader.h"
#include "replay/name_rules.h"

namespace ft::host {
namespace {

constexpr char kNameRule[] =
    "use letters, digits, '-', '_' and '.', beginning with a letter or digit";

void ReadTimeouts(TableReader& top, Timeouts* out) {
  for (TableReader& t : top.Table("timeouts")) {
    t.Read("heartbeat_ms", &out->heartbeat_ms, 5, 10'000);
    t.Read("silence_ms", &out->silence_ms, 20, 600'000);
    t.Read("primary_silence_ms", &out->primary_silence_ms, 20, 600'000);
    t.Read("engine_silence_ms", &out->engine_silence_ms, 100, 600'000);
    t.Read("protect_ms", &out->protect_ms, 1'000, 3'600'000);
    t.Read("stop_ms", &out->stop_ms, 100, 600'000);
    uint32_t shortest = std::min(out->silence_ms, out->primary_silence_ms);
    if (shortest < 3 * out->heartbeat_ms) {
      t.Fail(Status::Invalid(
          fmt::format("{}: silence of {} ms is less than three beats of {} ms",
                      t.Where("silence_ms"), shortest, out->heartbeat_ms),
          "a single lost datagram would be a failover: raise silence_ms and "
          "primary_silence_ms, or lower heartbeat_ms"));
    }
    if (out->engine_silence_ms < 10 * out->heartbeat_ms) {
      t.Fail(Status::Invalid(
          fmt::format("{}: silence of {} ms is less than ten beats of {} ms",
                      t.Where("engine_silence_ms"), out->engine_silence_ms,
                      out->heartbeat_ms),
          "the engine is asked once in a while, at a beat: raise "
          "engine_silence_ms, or lower heartbeat_ms"));
    }
    top.Fail(t.Finish());
  }
}

void ReadLog(TableReader& top, Config* config) {
  for (TableReader& t : top.Table("log")) {
    std::string compression = "zstd";
    t.Read("compression", &compression);
    if (compression != "zstd" && compression != "none") {
      t.Fail(Status::Invalid(fmt::format("{}: compression \"{}\" is not known",
                                         t.Where("compression"), compression),
                             "write \"zstd\" or \"none\""));
    }
    config->compression =
        compression == "zstd" ? Compression::kZstd : Compression::kNone;
    top.Fail(t.Finish());
  }
}

void ReadHosts(TableReader& top, Config* config) {
  for (auto& [name, table] : top.Tables("hosts")) {
    PeerHost peer;
    table.Require("address", &peer.address);
    table.Read("log_port", &peer.log_port, 1, 65535);
    if (!IsValidName(name)) {
      table.Fail(
          Status::Invalid(fmt::format("{}: \"{}\" cannot be a host's name",
                                      table.Where("address"), name),
                          kNameRule));
    }
    if (name == config->host) {
      table.Fail(
          Status::Invalid(fmt::format("{}: [hosts.{}] is this host itself",
                                      table.Where("address"), name),
                          "list the other hosts only"));
    }
    top.Fail(table.Finish());
    config->hosts[name] = peer;
  }
}

void ReadPaths(TableReader& top, Config* config) {
  struct Path {
    const char* key;
    std::string* value;
  };
  for (Path path :
       {Path{"state_dir", &config->state_dir},
        Path{"run_dir", &config->run_dir}, Path{"ring_dir", &config->ring_dir},
        Path{"engine_share", &config->engine_share}}) {
    top.Read(path.key, path.value);
    RequireAbsolute(top, path.key, *path.value);
  }
  top.Require("engine", &config->engine);
  RequireAbsolute(top, "engine", config->engine);
  if (!config->engine_share.empty() || config->engine.empty()) return;
  std::error_code error;
  std::filesystem::path binary =
      std::filesystem::weakly_canonical(config->engine, error);
  // A path that cannot be followed: whoever starts the engine says so.
  if (error) binary = config->engine;
  config->engine_share = binary.parent_path().parent_path() / "share";
}

void ReadNetwork(TableReader& top, Config* config) {
  top.Read("listen", &config->listen);
  top.Read("log_port", &config->log_port, 1, 65535);
  top.Read("heartbeat_port", &config->heartbeat_port, 1, 65535);
  top.ReadRange("clone_ports", &config->clone_port_first,
                &config->clone_port_last, 1, 65535);
  top.Read("uplink", &config->uplink);
  top.Read("replica_mib_per_s", &config->replica_mib_per_s, 0, 1'000'000);
  if (config->log_port >= config->clone_port_first &&
      config->log_port <= config->clone_port_last) {
    top.Fail(
        Status::Invalid(fmt::format("{}: log_port {} lies within clone_ports",
                                    top.Where("log_port"), config->log_port),
                        "choose ports that do not overlap"));
  }
}

Result<Config> FromFile(const TomlFile& file, const std::string& name) {
  Config config;
  config.path = name;
  TableReader top = file.root();
  top.Require("host", &config.host);
  if (!config.host.empty() && !IsValidName(config.host)) {
    top.Fail(Status::Invalid(fmt::format("{}: \"{}\" cannot be a host's name",
                                         top.Where("host"), config.host),
                             kNameRule));
  }
  ReadPaths(top, &config);
  config.store = ReadStore(top, config.host);
  ReadNetwork(top, &config);
  ReadHosts(top, &config);
  ReadTimeouts(top, &config.timeouts);
  ReadLog(top, &config);
  if (Status status = top.Finish(); !status.ok()) return status;
  return config;
}

}  // namespace

Result<Config> LoadConfig(const std::string& path) {
  Result<TomlFile> file = TomlFile::Read(path);
  if (!file.ok()) return file.status();
  return FromFile(*file, path);
}

Result<Config> ParseConfig(const std::string& text, const std::string& name) {
  Result<TomlFile> file = TomlFile::Parse(text, name);
  if (!file.ok()) return file.status();
  return FromFile(*file, name);
}

bool IsValidName(const std::string& name) { return replay::IsName(name, 63); }

}  // namespace ft::host
