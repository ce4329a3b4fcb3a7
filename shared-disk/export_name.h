// SPDX-License-Identifier: GPL-2.0-or-later
//
// ExportName: what a client of the disk service asks for, in the one string
// that NBD has for it.
//
//     vm1-root;epoch=7;host=hostB     the disk, to be written by the engine
//                                     that hostB started or cloned in epoch 7
//     vm1-root                        the disk, read-only
//     record;vm=vm1                   the record of vm1 (record.h)
//     record;vm=fencing-test.X.vm1    one that a test of this store has made
//
// Nothing else: no other order, no space, no leading zero. "record" is no
// name of a disk. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "logchannel/status.h"

namespace ft::shared_disk {

// An engine, named as no other engine that ever goes live is: a host starts
// a VM in an epoch of its own, and clones it in an epoch that another host
// holds, so the two never share an epoch.
struct Writer {
  std::string host;
  // Of the record when this engine was started or cloned; it stays the same
  // for the engine's whole life.
  uint64_t epoch = 0;

  friend bool operator==(const Writer&, const Writer&) = default;
};

// "hostB of epoch 7".
std::string Describe(const Writer& writer);

struct DiskExport {
  std::string disk;
  // None: read-only.
  std::optional<Writer> writer;
};

struct RecordExport {
  std::string vm;
};

using ExportName = std::variant<DiskExport, RecordExport>;

// kInvalid says what was asked for and what may be.
Result<ExportName> ParseExportName(std::string_view text);

std::string FormatExportName(const ExportName& name);

// What tests call their VMs: their records may be erased, and never are a
// real VM's.
inline constexpr std::string_view kScratchPrefix = "fencing-test.";
inline bool IsScratch(std::string_view vm) {
  return vm.starts_with(kScratchPrefix);
}

}  // namespace ft::shared_disk
