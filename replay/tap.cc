// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/tap.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <openssl/evp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "logchannel/scoped_fd.h"

namespace ft::replay {
namespace {

constexpr char kNeedsRights[] = "run ftd as root or with CAP_NET_ADMIN";

ifreq RequestFor(const std::string& interface) {
  ifreq request = {};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

// Any socket takes interface ioctls.
ScopedFd OpenControl() {
  return ScopedFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

bool Exists(const std::string& interface) {
  return if_nametoindex(interface.c_str()) != 0;
}

Status CheckName(const std::string& interface) {
  if (!interface.empty() && interface.size() < IFNAMSIZ &&
      interface.find('/') == std::string::npos) {
    return Status::Ok();
  }
  return Status::Invalid("\"" + interface + "\" is no interface name",
                         "use 1 to 15 letters, digits, '-'");
}

Status Errno(const std::string& what) {
  const bool rights = errno == EPERM || errno == EACCES;
  return Status::Unavailable(what + ": " + std::strerror(errno),
                             rights ? kNeedsRights : "");
}

// Opens /dev/net/tun and attaches it to `tap`, creating the interface unless
// it is there. The interface is gone with the descriptor unless it is made
// persistent.
Status AttachTun(const std::string& tap, int tun) {
  if (tun < 0) return Errno("/dev/net/tun");
  ifreq request = RequestFor(tap);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(tun, TUNSETIFF, &request) == 0) return Status::Ok();
  if (errno == EBUSY) {
    return Status::Failed("tap " + tap + " is in use",
                          "end the engine that has it open");
  }
  if (errno == EINVAL) {
    return Status::Invalid("interface " + tap + " exists and is no tap",
                           "rename or delete it");
  }
  return Errno("tap " + tap);
}

ScopedFd OpenTun() {
  return ScopedFd(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");
}

// A bridged tap needs no address of the host; without this the host's own
// router solicitations would go to the guest. Best effort: a kernel without
// IPv6 has no such file.
void DisableIpv6(const std::string& tap) {
  std::ofstream("/proc/sys/net/ipv6/conf/" + tap + "/disable_ipv6") << "1";
}

Status SetUp(const std::string& tap, int control) {
  ifreq request = RequestFor(tap);
  if (ioctl(control, SIOCGIFFLAGS, &request) != 0) return Errno("tap " + tap);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(control, SIOCSIFFLAGS, &request) != 0) return Errno("tap " + tap);
  return Status::Ok();
}

Status AddToBridge(const std::string& tap, const std::string& bridge,
                   int control) {
  ifreq request = RequestFor(bridge);
  request.ifr_ifindex = static_cast<int>(if_nametoindex(tap.c_str()));
  if (ioctl(control, SIOCBRADDIF, &request) == 0) return Status::Ok();
  return Errno("adding tap " + tap + " to bridge " + bridge);
}

// `bridge` may be null.
Status MakeTap(const std::string& tap, const std::string* bridge) {
  if (auto status = DeleteTap(tap); !status.ok()) return status;
  const ScopedFd tun = OpenTun();
  if (auto status = AttachTun(tap, tun.get()); !status.ok()) return status;
  DisableIpv6(tap);
  const ScopedFd control = OpenControl();
  if (bridge != nullptr) {
    auto status = AddToBridge(tap, *bridge, control.get());
    if (!status.ok()) return status;
  }
  if (auto status = SetUp(tap, control.get()); !status.ok()) return status;
  if (ioctl(tun.get(), TUNSETPERSIST, 1) != 0) return Errno("tap " + tap);
  return Status::Ok();
}

}  // namespace

std::string TapName(const std::string& vm_name, size_t nic_index) {
  const std::string index = "-" + std::to_string(nic_index);
  const std::string name = "ft-" + vm_name + index;
  if (name.size() < IFNAMSIZ) return name;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_Digest(vm_name.data(), vm_name.size(), digest.data(), &size, EVP_sha256(),
             nullptr);
  char hex[9];
  std::snprintf(hex, sizeof hex, "%02x%02x%02x%02x", digest[0], digest[1],
                digest[2], digest[3]);
  return "ft-" + std::string(hex) + index;
}

Status CheckBridge(const std::string& bridge) {
  if (auto status = CheckName(bridge); !status.ok()) return status;
  if (!Exists(bridge)) {
    return Status::Invalid("bridge " + bridge + " does not exist",
                           "create it: ip link add " + bridge +
                               " type bridge && ip link set " + bridge + " up");
  }
  // Asked of the driver: sysfs shows the network namespace that it was
  // mounted in, which need not be ours.
  const ScopedFd control = OpenControl();
  ethtool_drvinfo driver = {};
  driver.cmd = ETHTOOL_GDRVINFO;
  ifreq request = RequestFor(bridge);
  request.ifr_data = reinterpret_cast<char*>(&driver);
  if (ioctl(control.get(), SIOCETHTOOL, &request) == 0 &&
      std::string(driver.driver) == "bridge") {
    return Status::Ok();
  }
  return Status::Invalid("interface " + bridge + " is no bridge",
                         "name a Linux bridge of the host");
}

Status CreateTap(const std::string& tap, const std::string& bridge) {
  if (auto status = CheckName(tap); !status.ok()) return status;
  if (auto status = CheckBridge(bridge); !status.ok()) return status;
  return MakeTap(tap, &bridge);
}

Status CreateLoneTap(const std::string& tap) {
  if (auto status = CheckName(tap); !status.ok()) return status;
  return MakeTap(tap, nullptr);
}

Status DeleteTap(const std::string& tap) {
  if (auto status = CheckName(tap); !status.ok()) return status;
  if (!Exists(tap)) return Status::Ok();
  const ScopedFd tun = OpenTun();
  if (auto status = AttachTun(tap, tun.get()); !status.ok()) return status;
  if (ioctl(tun.get(), TUNSETPERSIST, 0) != 0) return Errno("tap " + tap);
  return Status::Ok();
}

bool HasCarrier(const std::string& interface) {
  const ScopedFd control = OpenControl();
  ifreq request = RequestFor(interface);
  if (ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) return false;
  const bool running = (request.ifr_flags & IFF_RUNNING) != 0;
  if (!(request.ifr_flags & IFF_UP)) return false;
  // The driver's word is fresh; IFF_RUNNING may lag it by a second, and is
  // asked only where the driver does not tell.
  ethtool_value link = {.cmd = ETHTOOL_GLINK, .data = 0};
  request = RequestFor(interface);
  request.ifr_data = reinterpret_cast<char*>(&link);
  if (ioctl(control.get(), SIOCETHTOOL, &request) != 0) return running;
  return link.data != 0;
}

}  // namespace ft::replay
