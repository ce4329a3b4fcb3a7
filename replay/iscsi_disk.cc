// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/iscsi_disk.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "replay/network_address.h"

namespace ft::replay {
namespace {

constexpr char kScheme[] = "iscsi://";
constexpr uint16_t kDefaultPort = 3260;  // RFC 7143
constexpr size_t kTargetNameMax = 223;   // there, too
constexpr uint16_t kLunMax = 0x3fff;     // of flat space addressing, SAM-5

// A command without an answer for so long is sent again in a new session, up
// to seven times: a hung target is an error after about four minutes. While
// there is no session nothing runs out, so that a restart is a pause.
constexpr int kCommandSeconds = 30;

// No comma among them: they become an option of QEMU.
bool IsTarget(const std::string& name) {
  const bool known = name.starts_with("iqn.") || name.starts_with("eui.") ||
                     name.starts_with("naa.");
  return known && name.size() > 4 && name.size() <= kTargetNameMax &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '-' || c == ':' ||
                  c == '_';
         });
}

std::optional<IscsiDisk> Parse(const std::string& rest) {
  const size_t first = rest.find('/');
  const size_t last = rest.rfind('/');
  if (first == rest.npos || first == last) return std::nullopt;
  const auto where = ParseNetworkAddress(rest.substr(0, first), kDefaultPort);
  if (!where) return std::nullopt;
  IscsiDisk disk = {where->host, where->port,
                    rest.substr(first + 1, last - first - 1)};
  const char* end = rest.data() + rest.size();
  const auto [stop, error] =
      std::from_chars(rest.data() + last + 1, end, disk.lun);
  const bool good = error == std::errc() && stop == end &&
                    disk.lun <= kLunMax && IsTarget(disk.target);
  if (!good) return std::nullopt;
  return disk;
}

}  // namespace

bool IsIscsiPath(const std::string& path) { return path.starts_with(kScheme); }

Result<IscsiDisk> ParseIscsiPath(const std::string& path) {
  const std::string rest =
      IsIscsiPath(path) ? path.substr(sizeof kScheme - 1) : "";
  // Of the path nothing: it may have a password in it.
  if (rest.find('@') != rest.npos) {
    return Status::Invalid(
        "an iSCSI path with a user in it: CHAP is not supported for disks yet",
        "let the target know hosts by their initiator names, " +
            InitiatorName("HOST"));
  }
  if (auto disk = Parse(rest)) return *disk;
  return Status::Invalid("path \"" + path + "\" names no LUN",
                         "write iscsi://HOST[:PORT]/TARGET/LUN");
}

std::string InitiatorName(const std::string& host) {
  return "iqn.2026-11.local.lockstep:" + host;
}

std::string IscsiNodeOptions(const IscsiDisk& disk, const DiskWriter& writer) {
  const bool v6 = disk.host.find(':') != disk.host.npos;
  const std::string host = v6 ? "[" + disk.host + "]" : disk.host;
  // Direct, or the driver would remember which blocks are unused.
  return "transport=tcp,portal=" + host + ":" + std::to_string(disk.port) +
         ",target=" + disk.target + ",lun=" + std::to_string(disk.lun) +
         ",initiator-name=" + InitiatorName(writer.host) +
         ",timeout=" + std::to_string(kCommandSeconds) + ",cache.direct=on";
}

}  // namespace ft::replay
