// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/replay/test_paths.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "logchannel/scoped_fd.h"

namespace ft::replay {
namespace {

std::string FromEnvironment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

// As replay/qemu/build_engine.sh and tests/guest/build_guest.sh have it.
std::string Cache() {
  return FromEnvironment("LOCKSTEP_CACHE",
                         FromEnvironment("HOME", "/root") + "/.cache/lockstep");
}

}  // namespace

std::string EngineBinary() {
  return FromEnvironment("LOCKSTEP_ENGINE",
                         Cache() + "/engine/current/bin/qemu-system-x86_64");
}

std::string EngineShare() { return FromEnvironment("LOCKSTEP_SHARE", ""); }

std::string GuestDirectory() {
  return FromEnvironment("LOCKSTEP_GUEST", Cache() + "/guest/current");
}

std::string DebianImage() {
  return FromEnvironment("LOCKSTEP_DEBIAN",
                         Cache() + "/guest/debian/current/root.img");
}

Status CheckTestPaths() {
  if (access(EngineBinary().c_str(), X_OK) != 0) {
    return Status::Unavailable("there is no engine " + EngineBinary(),
                               "build it with ./lockstep build");
  }
  const std::string initrd = GuestDirectory() + "/initrd.gz";
  if (access(initrd.c_str(), R_OK) != 0) {
    return Status::Unavailable("there is no guest " + initrd,
                               "build it with ./lockstep build");
  }
  return Status::Ok();
}

uint16_t FreePort() {
  const ScopedFd probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(probe.get(), generic, size) != 0 ||
      getsockname(probe.get(), generic, &size) != 0) {
    return 0;
  }
  return ntohs(address.sin_port);
}

}  // namespace ft::replay
