// SPDX-License-Identifier: GPL-2.0-or-later
#include "backup/admission.h"

#include <fstream>

#include "logchannel/frame.h"
#include "replay/vm_definition.h"

namespace ft::backup {

using logchannel::wire::Hello;

Status CheckVersionAndDefinition(const Hello& hello, const std::string& host) {
  Status version = logchannel::CheckVersion(hello.version());
  if (!version.ok()) return version;
  if (hello.host() == host) {
    return Status::Invalid(
        "a primary that calls itself " + host + " as well said Hello",
        "give each host its own name in ftd's configuration");
  }
  if (hello.epoch() == 0) return Status::Invalid("Hello without an epoch");
  if (hello.heartbeat_port() > UINT16_MAX) {
    return Status::Invalid("Hello with heartbeat port " +
                           std::to_string(hello.heartbeat_port()));
  }
  return replay::Validate(replay::FromWire(hello.vm()));
}

Status CheckHello(const Hello& hello, const AdmissionFacts& facts) {
  const std::string& vm = hello.vm().name();
  Status form = CheckVersionAndDefinition(hello, facts.host);
  if (!form.ok()) return form;
  if (facts.live_here) {
    return Status::Invalid(
        vm + " already runs on " + facts.host,
        "stop it there, or wait until its former backup has ended");
  }
  Status store =
      fencing::VerifySameStore(facts.record, vm, hello.epoch(), hello.host());
  if (!store.ok()) return store;
  if (!facts.boot_files.ok()) return facts.boot_files;
  if (!facts.replicas.ok()) return facts.replicas;
  const uint64_t needed = hello.vm().memory_mib() + kEngineOverheadMib;
  if (facts.available_memory_mib < needed) {
    return Status::Unavailable(
        facts.host + " has " + std::to_string(facts.available_memory_mib) +
            " MiB of free memory, " + vm + " needs " + std::to_string(needed),
        "free memory on " + facts.host + " or choose another backup host");
  }
  return Status::Ok();
}

Status CheckEngineBuild(const Hello& hello, const std::string& host,
                        const std::string& build) {
  if (hello.engine_build() == build) return Status::Ok();
  return Status::Invalid(
      "the engines differ: " + hello.host() + " runs build " +
          hello.engine_build() + ", " + host + " build " + build,
      "install the same engine on both hosts, then restart the VM");
}

uint64_t AvailableMemoryMib() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  uint64_t kib = 0;
  while (meminfo >> key >> kib) {
    std::getline(meminfo, unit);
    if (key == "MemAvailable:") return kib / 1024;
  }
  return 0;
}

}  // namespace ft::backup
