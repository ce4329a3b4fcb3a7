// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/istgt_for_test.h"

#include <sys/stat.h>
#include <unistd.h>

namespace ft::fencing {
namespace {

constexpr char kNodeBase[] = "iqn.2026-11.local.lockstep";

std::string Unit(int number, const std::string& name, const std::string& path,
                 const std::string& more) {
  return "[LogicalUnit" + std::to_string(number) + "]\n  TargetName " + name +
         "\n  Mapping PortalGroup1 InitiatorGroup1\n  UnitType Disk\n"
         "  QueueDepth 32\n  LUN0 Storage " +
         path + " Auto\n" + more;
}

}  // namespace

IstgtForTest::IstgtForTest(const Options& options)
    : server_(Argv(options), port_, scratch_.path() / "istgt.log") {
  server_.Start();
}

std::string IstgtForTest::Url(uint16_t port, const std::string& name) {
  return "iscsi://127.0.0.1:" + std::to_string(port) + "/" + kNodeBase + ":" +
         name + "/0";
}

void IstgtForTest::WriteLuns(uint64_t bytes) const {
  for (const char* name : {"store", "secret"}) {
    const std::string lun = scratch_.path() / (name + std::string(".lun"));
    WriteFile(lun, "");
    FT_CHECK(truncate(lun.c_str(), static_cast<off_t>(bytes)) == 0) << lun;
  }
}

std::vector<std::string> IstgtForTest::Argv(const Options& options) const {
  const std::string dir = scratch_.path();
  WriteLuns(options.bytes);
  WriteFile(dir + "/auth.conf",
            "[AuthGroup1]\n  Auth \"user\" \"of twelve letters\"\n");
  chmod((dir + "/auth.conf").c_str(), 0600);
  const std::string open =
      "  AuthMethod None\n  AuthGroup None\n  BlockLength " +
      std::to_string(options.block_size) + "\n";
  WriteFile(dir + "/istgt.conf",
            std::string("[Global]\n  NodeBase \"") + kNodeBase +
                "\"\n  PidFile " + dir + "/pid\n  AuthFile " + dir +
                "/auth.conf\n  LogFacility \"local7\"\n  Timeout 30\n"
                "  NopInInterval 20\n  DiscoveryAuthMethod None\n"
                "  MaxSessions 64\n  MaxConnections 4\n"
                "  FirstBurstLength 262144\n  MaxBurstLength 1048576\n"
                "  MaxRecvDataSegmentLength 262144\n  InitialR2T Yes\n"
                "  ImmediateData Yes\n  DataPDUInOrder Yes\n"
                "  DataSequenceInOrder Yes\n  ErrorRecoveryLevel 0\n"
                "[UnitControl]\n  AuthMethod None\n  AuthGroup None\n"
                "[PortalGroup1]\n  Portal DA1 127.0.0.1:" +
                std::to_string(port_) +
                "\n[InitiatorGroup1]\n  InitiatorName \"ALL\"\n"
                "  Netmask 127.0.0.0/8\n" +
                Unit(1, "store", dir + "/store.lun", open) +
                Unit(2, "secret", dir + "/secret.lun",
                     "  AuthMethod CHAP\n  AuthGroup AuthGroup1\n"));
  std::vector<std::string> argv = {"istgt", "-D", "-c", dir + "/istgt.conf"};
  if (!options.slow) {
    argv.insert(argv.begin(), {"env", "LD_PRELOAD=" FT_ISTGT_HURRY_PATH});
  }
  return argv;
}

}  // namespace ft::fencing
