// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/replay/network_bed.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace ft::replay {
namespace {

Status Errno(const std::string& what) {
  return Status::Unavailable(what + ": " + std::strerror(errno),
                             "run the tests as root");
}

ifreq RequestFor(const std::string& interface) {
  ifreq request = {};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

bool SetUp(int control, const std::string& interface) {
  ifreq request = RequestFor(interface);
  request.ifr_flags = IFF_UP;
  return ioctl(control, SIOCSIFFLAGS, &request) == 0;
}

bool SetAddress(int control, unsigned long what, const std::string& interface,
                const char* text) {
  ifreq request = RequestFor(interface);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, text, &address.sin_addr);
  std::memcpy(&request.ifr_addr, &address, sizeof address);
  return ioctl(control, what, &request) == 0;
}

}  // namespace

NetworkBed::NetworkBed()
    : outside_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
  status_ = Build();
}

Status NetworkBed::Build() {
  if (!outside_.valid() || unshare(CLONE_NEWNET) != 0) {
    return Errno("network namespace");
  }
  const ScopedFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!SetUp(control.get(), "lo")) return Errno("lo");
  if (ioctl(control.get(), SIOCBRADDBR, kBridge) != 0 ||
      !SetAddress(control.get(), SIOCSIFADDR, kBridge, kHostAddress) ||
      !SetAddress(control.get(), SIOCSIFNETMASK, kBridge, "255.255.255.0") ||
      !SetUp(control.get(), kBridge)) {
    return Errno(std::string("bridge ") + kBridge);
  }
  return Status::Ok();
}

NetworkBed::~NetworkBed() {
  if (outside_.valid()) setns(outside_.get(), CLONE_NEWNET);
}

}  // namespace ft::replay
