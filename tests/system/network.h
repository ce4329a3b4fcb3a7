// SPDX-License-Identifier: GPL-2.0-or-later
//
// The bed's network: two hosts, a client, a storage host and a switch, each
// a network namespace of its own. Nothing of it touches the machine's own
// network.
//
//      <run>-a                 <run>-b                 <run>-c
//   +------------------+    +------------------+    +---------------+
//   | tap of vm1       |    | tap of vm1       |    |               |
//   |    |             |    |    |             |    |               |
//   |   br0 10.77.0.1  |    |   br0 10.77.0.2  |    |               |
//   |    |             |    |    |             |    |               |
//   |   eth0  log0 san0|    |   eth0  log0 san0|    |  eth0         |
//   +----|-----|----|--+    +----|-----|----|--+    +----|----------+
//        |     |    |10.79.0.1   |     |    |10.79.0.2   |10.77.0.9
//        |     |10.78.0.1        |     |10.78.0.2        |
//   +----|-----|----|------------|-----|----|------------|----------+
//   |   lan ---(----(---------- lan ---(----(---------- lan         |
//   |         log --(----------------log    |                       |
//   |              san --------------------san ---------+    <run>-s|
//   +---------------------------------------------------|-----------+
//                                                       |10.79.0.3
//                                                     san0   <run>-d
//
// The guest is 10.77.0.50 on the lan. The log network carries log channel,
// clone and heartbeats, and nothing else; the storage network (san) what goes
// to the storage host (storage_host.h). A cable is cut at the switch, so the
// host sees its carrier go, and the other hosts see only silence: that is
// what a pulled plug looks like.
#pragma once

#include <string>
#include <vector>

#include "tests/system/bed_ledger.h"

namespace ft::bed {

inline constexpr char kGuestAddress[] = "10.77.0.50";
inline constexpr int kRedisPort = 6379;
inline constexpr char kStorageAddress[] = "10.79.0.3";

enum class Side { kA, kB };

// Which cable of a host.
enum class Cable {
  kUplink,  // eth0: clients reach its guests through it
  kLog,     // log0: the other host is reached through it
  kSan,     // san0: the storage host is reached through it
};

class Network {
 public:
  // Builds everything above, names starting with `run` (at most 10
  // characters, so that interface names derived from it stay short).
  Network(const std::string& run, BedLedger& ledger);

  std::string HostNamespace(Side side) const;
  std::string ClientNamespace() const { return run_ + "-c"; }
  std::string StorageNamespace() const { return run_ + "-d"; }
  std::string SwitchNamespace() const { return run_ + "-s"; }
  // Every namespace, for those who clean or count.
  std::vector<std::string> Namespaces() const;

  static std::string LanAddress(Side side);
  static std::string LogAddress(Side side);

  // Pulls a cable or plugs it in again; at once, idempotent.
  void Cut(Side side, Cable cable);
  void Restore(Side side, Cable cable);
  void RestoreAll();

  // The switch's end of a cable, in the switch's namespace.
  static std::string Port(Side side, Cable cable);

  // argv that runs `argv` inside a namespace. `ip netns exec` replaces
  // itself by the command (same pid) and gives it a /sys that shows the
  // namespace's interfaces.
  static std::vector<std::string> Inside(const std::string& name_space,
                                         std::vector<std::string> argv);

 private:
  void SetPort(Side side, Cable cable, const char* state);

  const std::string run_;
};

}  // namespace ft::bed
