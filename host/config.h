// SPDX-License-Identifier: GPL-2.0-or-later
//
// What ftd is told about its host: one TOML file per host, read once at
// start. docs/ftd.example.toml shows every key with its default.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "fencing/store_options.h"
#include "logchannel/status.h"

namespace ft::host {

// Another host of the cluster: where its ftd listens.
struct PeerHost {
  std::string address;
  uint16_t log_port = 7600;
};

// Times of failure detection, milliseconds. Both hosts of a pair use the
// same file except for the host's own lines.
struct Timeouts {
  // Ten beats fit into the silence that makes a peer suspect, so nine lost
  // datagrams in a row are still no failover.
  uint32_t heartbeat_ms = 50;
  // A backup suspects its primary after this silence ...
  uint32_t silence_ms = 500;
  // ... and a primary its backup a little earlier: when only the link between
  // them is cut, the side that serves the clients wins, and nobody notices.
  uint32_t primary_silence_ms = 400;
  // An engine of a protected VM that neither moves nor answers for so long is
  // given up: the primary's is ended and the backup takes over, the backup's
  // is no backup any more. Longer than the stalls of a busy host or a slow
  // disk, shorter than clients bear.
  uint32_t engine_silence_ms = 2000;
  // `ftctl enable` gives up when the VM is not protected after this.
  uint32_t protect_ms = 120'000;
  // `ftctl stop` ends the engine's process after this.
  uint32_t stop_ms = 5'000;
};

enum class Compression { kNone, kZstd };

struct Config {
  std::string path;  // of the file itself; for messages
  std::string host;  // unique among the hosts of one test-and-set store
  std::string state_dir = "/var/lib/lockstep";
  std::string run_dir = "/run/lockstep";
  std::string ring_dir = "/dev/shm/lockstep";
  std::string engine;           // qemu-system-x86_64 of replay/qemu
  std::string engine_share;     // firmware; default <engine>/../../share
  fencing::StoreOptions store;  // the test-and-set records
  std::string listen = "0.0.0.0";
  uint16_t log_port = 7600;
  uint16_t heartbeat_port = 7601;
  uint16_t clone_port_first = 7610;
  uint16_t clone_port_last = 7619;
  // Interface to the outside; "" means that no carrier is watched.
  std::string uplink;
  std::map<std::string, PeerHost> hosts;
  Timeouts timeouts;
  // MiB a second for the copying of private disks to a backup, of each clone;
  // 0: as fast as it goes.
  uint32_t replica_mib_per_s = 0;
  // [log] compression: of the log between the hosts; both must want it.
  Compression compression = Compression::kZstd;

  std::string socket_path() const { return run_dir + "/ftd.sock"; }
  std::string lock_path() const { return run_dir + "/ftd.lock"; }
};

// Reads `path`. Unknown keys, wrong types and impossible values are Invalid
// and name the line. Touches nothing but the file.
Result<Config> LoadConfig(const std::string& path);
// The same from text; `name` stands for the file in errors.
Result<Config> ParseConfig(const std::string& text, const std::string& name);

// Letters, digits, '-', '_' and '.', at most 63, the first a letter or digit:
// what a VM or a host may be called, because names become file names and are
// written into test-and-set records (fencing::ValidateName has the same rule).
bool IsValidName(const std::string& name);

}  // namespace ft::host
