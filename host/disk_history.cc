// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/disk_history.h"

#include <fmt/format.h>

#include <algorithm>

namespace ft::host {
namespace {

// The VM lived here in live_epoch, and nobody but its holder can have made
// the record that follows: by a release, or by winning the next epoch.
bool FollowsFrom(uint64_t live_epoch, const fencing::VmRecord& record,
                 const std::string& host) {
  if (record.epoch == live_epoch) return live_epoch != 0;
  if (record.epoch != live_epoch + 1) return false;
  return record.holder == host || (record.released() && live_epoch != 0);
}

}  // namespace

bool HasPrivateDisks(const replay::VmDefinition& vm) {
  return std::ranges::any_of(vm.disks, [](const replay::Disk& disk) {
    return disk.mode == replay::kPrivate;
  });
}

Status CheckDisksAreCurrent(const DiskHistory& history,
                            const std::optional<fencing::VmRecord>& record,
                            const std::string& vm, const std::string& host,
                            const std::string& peer) {
  std::string why;
  std::string where = peer;
  if (!history.replica_of.empty()) {
    where = history.replica_of;
    why = fmt::format(
        "they are a replica of {}'s, and the VM has not lived "
        "here since",
        history.replica_of);
  } else if (!record || FollowsFrom(history.live_epoch, *record, host)) {
    return Status::Ok();
  } else if (history.live_epoch == 0) {
    why = fmt::format("it never lived here, and its record is at epoch {}",
                      record->epoch);
  } else {
    why = fmt::format(
        "it lived here last in epoch {}, and its record is at "
        "epoch {}",
        history.live_epoch, record->epoch);
  }
  return Status::Invalid(
      fmt::format("the private disks of {} on {} are not current: {}", vm, host,
                  why),
      fmt::format("start it on {}; or, if you have copied its disks here, "
                  "ftctl start {} --disks-are-current",
                  where.empty() ? "the host where it ran last" : where, vm));
}

}  // namespace ft::host
