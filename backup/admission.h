// SPDX-License-Identifier: GPL-2.0-or-later
//
// Admission: whether this host takes a VM as its backup. The decision is
// pure; the facts are gathered before. Every refusal says what is wrong and
// what to do, and travels to the operator of the primary unchanged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fencing/test_and_set.h"
#include "logchannel/log_channel.pb.h"
#include "logchannel/status.h"

namespace ft::backup {

struct AdmissionFacts {
  std::string host;  // this one
  bool live_here = false;
  // The VM's record as this host reads it.
  Result<std::optional<fencing::VmRecord>> record{std::nullopt};
  // Boot files of this host against the Hello's checksums.
  Status boot_files;
  // CheckReplicas() of this host.
  Status replicas;
  uint64_t available_memory_mib = 0;
};

// What an engine needs beside the guest's memory: code cache, the ring,
// itself. Measured 150 MiB for a busy guest.
inline constexpr uint64_t kEngineOverheadMib = 160;

Status CheckVersionAndDefinition(const logchannel::wire::Hello& hello,
                                 const std::string& host);
// Everything but the engine's build, the most telling refusal first.
Status CheckHello(const logchannel::wire::Hello& hello,
                  const AdmissionFacts& facts);
// Two builds may differ in one instruction count, and that is divergence.
Status CheckEngineBuild(const logchannel::wire::Hello& hello,
                        const std::string& host, const std::string& build);

// MemAvailable of /proc/meminfo; 0 if it cannot be read.
uint64_t AvailableMemoryMib();

}  // namespace ft::backup
