// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/network.h"

#include "tests/system/child_process.h"

namespace ft::bed {
namespace {

// A line per command, run inside one namespace by one `ip`.
void IpBatch(const std::string& name_space, const std::string& commands) {
  RunOrThrow({"ip", "-n", name_space, "-batch", "-"}, {.input = commands});
}

const char* SideLetter(Side side) { return side == Side::kA ? "a" : "b"; }

// A cable from `inside` in its namespace to a port of the switch.
std::string PlugIn(const std::string& port, const char* bridge,
                   const std::string& name_space, const char* inside) {
  return "link add " + port + " type veth peer name " + inside + " netns " +
         name_space + "\nlink set " + port + " master " + bridge +
         "\nlink set " + port + " up\n";
}

std::string NewBridge(const char* name) {
  const std::string bridge = name;
  return "link add " + bridge +
         " type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n"
         "link set " +
         bridge + " up\n";
}

std::string SanAddress(Side side) {
  return side == Side::kA ? "10.79.0.1" : "10.79.0.2";
}

const char* BridgeOf(Cable cable) {
  switch (cable) {
    case Cable::kUplink:
      return "lan";
    case Cable::kLog:
      return "log";
    case Cable::kSan:
      break;
  }
  return "san";
}

std::string HostCommands(Side side) {
  return "link set lo up\n" + NewBridge("br0") +
         "link set eth0 master br0\n"
         "link set eth0 up\n"
         "link set log0 up\n"
         "link set san0 up\n"
         "addr add " +
         Network::LanAddress(side) + "/24 dev br0\naddr add " +
         Network::LogAddress(side) + "/24 dev log0\naddr add " +
         SanAddress(side) + "/24 dev san0\n";
}

// Router solicitations and multicast reports would only blur the traces.
void DisableIpv6(const std::string& name_space) {
  Run(Network::Inside(name_space,
                      {"sh", "-c",
                       "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do "
                       "echo 1 >$f; done"}));
}

}  // namespace

Network::Network(const std::string& run, BedLedger& ledger) : run_(run) {
  for (const std::string& name : Namespaces()) {
    ledger.AddNamespace(name);
    RunOrThrow({"ip", "netns", "add", name});
    DisableIpv6(name);
  }
  const std::string a = HostNamespace(Side::kA);
  const std::string b = HostNamespace(Side::kB);
  IpBatch(SwitchNamespace(),
          NewBridge("lan") + NewBridge("log") + NewBridge("san") +
              PlugIn("lan-a", "lan", a, "eth0") +
              PlugIn("lan-b", "lan", b, "eth0") +
              PlugIn("lan-c", "lan", ClientNamespace(), "eth0") +
              PlugIn("log-a", "log", a, "log0") +
              PlugIn("log-b", "log", b, "log0") +
              PlugIn("san-a", "san", a, "san0") +
              PlugIn("san-b", "san", b, "san0") +
              PlugIn("san-d", "san", StorageNamespace(), "san0"));
  IpBatch(a, HostCommands(Side::kA));
  IpBatch(b, HostCommands(Side::kB));
  IpBatch(ClientNamespace(),
          "link set lo up\n"
          "link set eth0 up\n"
          "addr add 10.77.0.9/24 dev eth0\n");
  IpBatch(StorageNamespace(),
          "link set lo up\n"
          "link set san0 up\n"
          "addr add " +
              std::string(kStorageAddress) + "/24 dev san0\n");
}

std::string Network::HostNamespace(Side side) const {
  return run_ + "-" + SideLetter(side);
}

std::vector<std::string> Network::Namespaces() const {
  return {HostNamespace(Side::kA), HostNamespace(Side::kB), ClientNamespace(),
          StorageNamespace(), SwitchNamespace()};
}

std::string Network::LanAddress(Side side) {
  return side == Side::kA ? "10.77.0.1" : "10.77.0.2";
}

std::string Network::LogAddress(Side side) {
  return side == Side::kA ? "10.78.0.1" : "10.78.0.2";
}

void Network::Cut(Side side, Cable cable) { SetPort(side, cable, "down"); }

void Network::Restore(Side side, Cable cable) { SetPort(side, cable, "up"); }

void Network::RestoreAll() {
  for (Side side : {Side::kA, Side::kB}) {
    Restore(side, Cable::kUplink);
    Restore(side, Cable::kLog);
    Restore(side, Cable::kSan);
  }
}

std::string Network::Port(Side side, Cable cable) {
  return std::string(BridgeOf(cable)) + "-" + SideLetter(side);
}

void Network::SetPort(Side side, Cable cable, const char* state) {
  RunOrThrow(
      {"ip", "-n", SwitchNamespace(), "link", "set", Port(side, cable), state});
}

std::vector<std::string> Network::Inside(const std::string& name_space,
                                         std::vector<std::string> argv) {
  std::vector<std::string> command = {"ip", "netns", "exec", name_space};
  command.insert(command.end(), argv.begin(), argv.end());
  return command;
}

}  // namespace ft::bed
