// SPDX-License-Identifier: GPL-2.0-or-later
//
// WriteRight: which engines may write the disks of one VM, and the three
// rules by which that changes. Pure.
//
// The right is the VM's record {epoch, holder} and `oldest_writer`, the
// epoch below which an engine of the holder itself is a leftover. An engine
// {host, epoch of its start or clone} may write if
//
//     host == holder   and   oldest_writer <= engine's epoch <= record's
//
// Rule 1, test-and-set N -> N+1 by another holder: oldest_writer = N. The
//     engine that goes live was cloned in epoch N; it need not connect again.
// Rule 2, test-and-set N -> N+1 by the holder itself (it lost its backup, or
//     starts the VM again): oldest_writer stays. The engine that runs on is
//     older than its epoch.
// Rule 3, an engine of the holder connects, younger than oldest_writer:
//     oldest_writer = its epoch. It was started while the record was already
//     the holder's, so whatever that host had running before has ended.
//
//     epoch holder  what happened        oldest  may write
//       1   hostA   A starts it             1    hostA of 1      (rules 1, 3)
//       2   hostA   its backup was lost     1    hostA of 1      (rule 2)
//       3   hostB   B went live             2    hostB of 2      (rule 1)
//       4   hostA   A, cloned in 3, too     3    hostA of 3, not hostA of 1
//       5   ""      stopped                 3    nobody
//       6   hostA   A starts it             6    hostA of 6, not hostA of 3
//
// So no two engines that were ever live share a right, and a right once lost
// never comes back: epoch and oldest_writer only grow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "logchannel/status.h"
#include "shared-disk/export_name.h"
#include "shared-disk/record.h"

namespace ft::shared_disk {

struct WriteRight {
  Record record;
  uint64_t oldest_writer = 0;

  friend bool operator==(const WriteRight&, const WriteRight&) = default;
};

enum class Verdict {
  kMayWrite,
  // Another host holds the record, or nobody. A backup's engine is told so
  // until it goes live.
  kNotHolder,
  // An older engine; it will never write again.
  kFenced,
  // No record, or one that is older than the writer: not the store that gave
  // the writer its epoch.
  kUnknownEpoch,
};

Verdict MayWrite(const std::optional<WriteRight>& right, const Writer& writer);

// Whether an engine may connect: it may write, or may be able to one day.
Verdict MayConnect(const std::optional<WriteRight>& right,
                   const Writer& writer);

// Why not, for the log: "hostA of epoch 1 is fenced: vm1 is epoch 2, held by
// hostB, written by engines of epoch 1 and later". `right` is what the
// verdict was given on.
std::string Explain(Verdict verdict, const Writer& writer,
                    const std::optional<WriteRight>& right);

// Rules 1 and 2. kInvalid, and nothing changes, if the record is not
// `expected`, or `wanted` is not one that may follow it.
Result<WriteRight> AfterTestAndSet(const std::optional<WriteRight>& right,
                                   const std::optional<Record>& expected,
                                   const Record& wanted);

// Rule 3, for a writer that MayConnect(); none if nothing changes.
std::optional<WriteRight> AfterConnect(const std::optional<WriteRight>& right,
                                       const Writer& writer);

}  // namespace ft::shared_disk
