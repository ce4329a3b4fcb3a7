// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/nbd_disk.h"

#include "replay/network_address.h"
#include "shared-disk/export_name.h"
#include "shared-disk/record.h"

namespace ft::replay {
namespace {

constexpr char kScheme[] = "nbd://";

// How long a guest's requests wait for a service that is away. An upgrade or
// a restart takes seconds; after five minutes the guest should know that its
// storage is gone.
constexpr int kReconnectSeconds = 300;

std::optional<NbdDisk> Parse(const std::string& path) {
  const std::string rest = path.substr(sizeof kScheme - 1);
  const size_t slash = rest.find('/');
  if (slash == rest.npos) return std::nullopt;
  const auto where = ParseNetworkAddress(rest.substr(0, slash));
  const std::string name = rest.substr(slash + 1);
  if (!where || !shared_disk::IsName(name) || name == "record") {
    return std::nullopt;
  }
  return NbdDisk{where->host, where->port, name};
}

}  // namespace

bool IsNbdPath(const std::string& path) { return path.starts_with(kScheme); }

Result<NbdDisk> ParseNbdPath(const std::string& path) {
  if (IsNbdPath(path)) {
    if (auto disk = Parse(path)) return *disk;
  }
  return Status::Invalid(
      "path \"" + path + "\" names no disk of a disk service",
      "write nbd://HOST:PORT/DISK");
}

std::string NbdNodeOptions(const NbdDisk& disk, const DiskWriter& writer) {
  const std::string name =
      shared_disk::FormatExportName(shared_disk::DiskExport{
          disk.disk, shared_disk::Writer{writer.host, writer.epoch}});
  return "server.type=inet,server.host=" + disk.host +
         ",server.port=" + std::to_string(disk.port) + ",export=" + name +
         ",reconnect-delay=" + std::to_string(kReconnectSeconds);
}

}  // namespace ft::replay
