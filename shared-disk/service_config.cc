// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/service_config.h"

#include <charconv>

#include "logchannel/toml_reader.h"

namespace ft::shared_disk {
namespace {

constexpr size_t kSocketPathBytesMax = 107;

// "ADDRESS:PORT" in its halves; [::1]:10809 too. An empty port if it is none.
struct Endpoint {
  std::string address, port;
};

Endpoint Split(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  if (colon == listen.npos || colon == 0) return {};
  Endpoint endpoint{listen.substr(0, colon), listen.substr(colon + 1)};
  unsigned port = 0;
  const char* end = endpoint.port.data() + endpoint.port.size();
  const auto [stop, error] = std::from_chars(endpoint.port.data(), end, port);
  if (error != std::errc() || stop != end || port == 0 || port > 65535) {
    return {};
  }
  if (endpoint.address.front() == '[' && endpoint.address.back() == ']') {
    endpoint.address = endpoint.address.substr(1, endpoint.address.size() - 2);
  }
  return endpoint;
}

bool IsPath(const std::string& listen) { return listen.starts_with('/'); }

void ReadListen(TableReader& top, std::string* listen) {
  top.Require("listen", listen);
  if (listen->empty()) return;
  if (IsPath(*listen) ? listen->size() <= kSocketPathBytesMax
                      : !Split(*listen).port.empty()) {
    return;
  }
  top.Fail(Status::Invalid(
      top.Where("listen") + ": nobody can listen at \"" + *listen + "\"",
      "write ADDRESS:PORT, or the path of a Unix socket (107 bytes at most)"));
}

void ReadDisks(TableReader& top, std::vector<DiskOptions>* disks) {
  for (auto& [name, table] : top.Tables("disks")) {
    DiskOptions disk{.name = name, .vm = "", .path = ""};
    table.Require("path", &disk.path);
    table.Require("vm", &disk.vm);
    top.Fail(table.Finish());
    disks->push_back(disk);
  }
}

Result<ServiceConfig> FromFile(const TomlFile& file, const std::string& name) {
  ServiceConfig config;
  TableReader top = file.root();
  ReadListen(top, &config.listen);
  top.Require("state_dir", &config.service.state_dir);
  top.Read("nbdkit", &config.nbdkit);
  top.Read("plugin", &config.plugin);
  ReadDisks(top, &config.service.disks);
  Status status = top.Finish();
  if (!status.ok()) return status;
  status = Validate(config.service);
  if (status.ok()) return config;
  return Status::Invalid(name + ": " + status.message(), status.remedy());
}

}  // namespace

Result<ServiceConfig> LoadServiceConfig(const std::string& path) {
  auto file = TomlFile::Read(path);
  if (!file.ok()) return file.status();
  return FromFile(*file, path);
}

Result<ServiceConfig> ParseServiceConfig(const std::string& text,
                                         const std::string& name) {
  auto file = TomlFile::Parse(text, name);
  if (!file.ok()) return file.status();
  return FromFile(*file, name);
}

std::vector<std::string> NbdkitCommand(const ServiceConfig& config) {
  // One thread to a connection: with two, an nbdkit before 1.34 ends when they
  // meet the end of a client, and everybody's disks with it.
  std::vector<std::string> argv = {config.nbdkit, "--foreground",
                                   "--log=stderr", "--threads=1"};
  if (IsPath(config.listen)) {
    argv.insert(argv.end(), {"--unix", config.listen});
  } else {
    const Endpoint endpoint = Split(config.listen);
    argv.insert(argv.end(),
                {"--ipaddr", endpoint.address, "--port", endpoint.port});
  }
  argv.push_back(config.plugin);
  argv.push_back("state=" + config.service.state_dir);
  for (const DiskOptions& disk : config.service.disks) {
    argv.push_back("disk=" + disk.name + ":" + disk.vm + ":" + disk.path);
  }
  return argv;
}

}  // namespace ft::shared_disk
