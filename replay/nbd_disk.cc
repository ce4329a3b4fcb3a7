// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/nbd_disk.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "shared-disk/export_name.h"
#include "shared-disk/record.h"

namespace ft::replay {
namespace {

constexpr char kScheme[] = "nbd://";

// How long a guest's requests wait for a service that is away. An upgrade or
// a restart takes seconds; after five minutes the guest should know that its
// storage is gone.
constexpr int kReconnectSeconds = 300;

// No comma among them: they become an option of QEMU.
bool IsHost(const std::string& host) {
  return !host.empty() && host.size() <= 253 &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '-' || c == ':' ||
                  c == '%';
         });
}

std::optional<NbdDisk> Parse(const std::string& path) {
  const std::string rest = path.substr(sizeof kScheme - 1);
  const size_t slash = rest.find('/');
  if (slash == rest.npos) return std::nullopt;
  const std::string where = rest.substr(0, slash);
  const size_t colon = where.rfind(':');
  if (colon == where.npos) return std::nullopt;
  NbdDisk disk;
  disk.host = where.substr(0, colon);
  const bool bracketed = disk.host.size() > 2 && disk.host.front() == '[' &&
                         disk.host.back() == ']';
  if (bracketed) disk.host = disk.host.substr(1, disk.host.size() - 2);
  const char* end = where.data() + where.size();
  const auto [stop, error] =
      std::from_chars(where.data() + colon + 1, end, disk.port);
  disk.disk = rest.substr(slash + 1);
  const bool good = error == std::errc() && stop == end && disk.port != 0 &&
                    IsHost(disk.host) &&
                    (bracketed || disk.host.find(':') == disk.host.npos) &&
                    shared_disk::IsName(disk.disk) && disk.disk != "record";
  if (!good) return std::nullopt;
  return disk;
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
