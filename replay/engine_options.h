// SPDX-License-Identifier: GPL-2.0-or-later
//
// Everything one engine process is started with. The guest sees only `vm`;
// the rest are this host's paths and names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replay/nbd_disk.h"
#include "replay/vm_definition.h"

namespace ft::replay {

struct EngineOptions {
  // The patched qemu-system-x86_64 and its firmware directory (-L). An empty
  // share_dir means "../share" beside the binary's directory, the layout of
  // replay/qemu/build_engine.sh; see ShareDir() in engine_command.h.
  std::string binary;
  std::string share_dir;

  VmDefinition vm;

  // Who the engine is to the disk services of vm.disks; nothing else asks.
  DiskWriter writer = {};

  // The engine creates ring_path and its two FIFOs (ring_layout.h).
  std::string ring_path;
  // Unix socket, at most 107 bytes.
  std::string qmp_path;
  // The guest's serial port, rewritten at each start of the engine. A
  // backup's begins at the clone.
  std::string console_log;
  // With vm.serial_input, and then required: a unix socket, at most 107 bytes.
  // Whoever connects to it sees what the guest writes from then on, and
  // types; one at a time.
  std::string serial_path = {};
  // stdout and stderr of the engine, rewritten at each start. Its last line
  // is the error when the engine dies early.
  std::string stderr_log;

  // One tap per vm.nics entry, in order; made by CreateTap() before.
  std::vector<std::string> taps;

  // Set on a backup only: "tcp:ADDRESS:PORT", where the clone arrives, or
  // "defer": it comes with Engine::Load().
  std::optional<std::string> incoming;

  // Appended as they are; tests show with them what the engine refuses.
  std::vector<std::string> extra_arguments;
};

}  // namespace ft::replay
