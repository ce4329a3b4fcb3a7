// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/vm_definition.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "logchannel/log_channel.pb.h"
#include "logchannel/one_line.h"
#include "replay/name_rules.h"

namespace ft::replay {
namespace {

// Below this no kernel of today boots; above it a clone takes minutes and
// the pre-copy of a busy guest may never end.
constexpr uint32_t kMemoryMibMin = 32;
constexpr uint32_t kMemoryMibMax = 65536;
// One PCI bus holds 32 devices; eight NICs and eight disks leave room for
// everything else.
constexpr size_t kDevicesMax = 8;
// A file name of at most 255 bytes holds it with every suffix of ours.
constexpr size_t kNameMax = 63;

// "Lockstep" as a version 5 namespace: the UUID of the DNS name lockstep.ft.
constexpr std::array<unsigned char, 16> kUuidNamespace = {
    0x9b, 0x1f, 0x3c, 0x52, 0x60, 0x2e, 0x5d, 0x0a,
    0x8e, 0x47, 0x1d, 0x6b, 0xa4, 0xf0, 0x55, 0x93};

std::string Hex(const unsigned char* bytes, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

struct EvpFree {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

Result<std::string> Sha256OfFile(const std::string& what,
                                 const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::unique_ptr<EVP_MD_CTX, EvpFree> context(EVP_MD_CTX_new());
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(1 << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    EVP_DigestUpdate(context.get(), buffer.data(),
                     static_cast<size_t>(file.gcount()));
  }
  if (!file.eof()) {
    return Status::Invalid(what + " " + path + ": " + std::strerror(errno),
                           "check the path in the VM file");
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  return Hex(digest.data(), size);
}

Status TooMany(size_t count, const char* what) {
  return Status::Invalid(std::to_string(count) + " " + what + " are too many",
                         "give at most " + std::to_string(kDevicesMax));
}

// A NUL would end it early, and the guest would boot something else.
Status ValidateText(const std::string& what, const std::string& text) {
  if (!HasControlCharacter(text)) return Status::Ok();
  return Status::Invalid(what + " \"" + text + "\" has a control character",
                         "write it without");
}

Status ValidateBootFile(const std::string& what, const std::string& path) {
  if (path.empty() || path[0] != '/') {
    return Status::Invalid(what + " \"" + path + "\" is not an absolute path",
                           "both hosts open it under the same path");
  }
  return ValidateText(what, path);
}

Status CompareBootFile(const std::string& what, const std::string& path,
                       const std::string& expected) {
  if (path.empty()) return Status::Ok();
  auto digest = Sha256OfFile(what, path);
  if (!digest.ok()) return digest.status();
  if (*digest != expected) {
    return Status::Invalid(what + " " + path + " differs from the primary's",
                           "copy the primary's file to this host");
  }
  return Status::Ok();
}

Status ValidateDevices(const VmDefinition& vm) {
  if (vm.nics.size() > kDevicesMax) return TooMany(vm.nics.size(), "NICs");
  if (vm.disks.size() > kDevicesMax) return TooMany(vm.disks.size(), "disks");
  for (size_t i = 0; i < vm.nics.size(); ++i) {
    auto status = ValidateNic(vm.nics[i], i);
    if (!status.ok()) return status;
  }
  for (size_t i = 0; i < vm.disks.size(); ++i) {
    auto status = ValidateDisk(vm.disks[i], i);
    if (!status.ok()) return status;
    for (size_t j = 0; j < i; ++j) {
      if (vm.disks[j].path != vm.disks[i].path) continue;
      return Status::Invalid("disks " + std::to_string(j) + " and " +
                                 std::to_string(i) + " are both " +
                                 vm.disks[i].path,
                             "give each its own image");
    }
  }
  if (vm.video == kNoVideo || vm.video == kVga) return Status::Ok();
  return Status::Invalid("video \"" + vm.video + "\" is not supported",
                         "use \"none\" or \"vga\"");
}

}  // namespace

std::string UuidFromName(const std::string& name) {
  std::string input(kUuidNamespace.begin(), kUuidNamespace.end());
  input += name;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_Digest(input.data(), input.size(), digest.data(), &size, EVP_sha1(),
             nullptr);
  digest[6] = static_cast<unsigned char>((digest[6] & 0x0f) | 0x50);
  digest[8] = static_cast<unsigned char>((digest[8] & 0x3f) | 0x80);
  std::string uuid = Hex(digest.data(), 16);
  for (size_t dash : {8, 13, 18, 23}) uuid.insert(dash, 1, '-');
  return uuid;
}

Status Validate(const VmDefinition& vm) {
  if (!IsName(vm.name, kNameMax)) {
    return Status::Invalid("name \"" + vm.name + "\" is no VM name",
                           "use letters, digits, '_', '.', '-', at most 63");
  }
  if (!HasShape(vm.uuid, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")) {
    return Status::Invalid("uuid \"" + vm.uuid + "\" is no UUID",
                           "leave it out to derive it from the name");
  }
  if (vm.memory_mib < kMemoryMibMin || vm.memory_mib > kMemoryMibMax) {
    return Status::Invalid(
        "memory_mib = " + std::to_string(vm.memory_mib) + " is out of range",
        "give between " + std::to_string(kMemoryMibMin) + " and " +
            std::to_string(kMemoryMibMax));
  }
  if (auto status = ValidateBootFile("kernel", vm.kernel); !status.ok()) {
    return status;
  }
  if (!vm.initrd.empty()) {
    auto status = ValidateBootFile("initrd", vm.initrd);
    if (!status.ok()) return status;
  }
  if (auto status = ValidateText("cmdline", vm.cmdline); !status.ok()) {
    return status;
  }
  return ValidateDevices(vm);
}

Status MeasureBootFiles(VmDefinition& vm) {
  auto kernel = Sha256OfFile("kernel", vm.kernel);
  if (!kernel.ok()) return kernel.status();
  std::string initrd_sha256;
  if (!vm.initrd.empty()) {
    auto initrd = Sha256OfFile("initrd", vm.initrd);
    if (!initrd.ok()) return initrd.status();
    initrd_sha256 = *initrd;
  }
  vm.kernel_sha256 = *kernel;
  vm.initrd_sha256 = initrd_sha256;
  return Status::Ok();
}

Status CompareBootFiles(const VmDefinition& vm) {
  auto status = CompareBootFile("kernel", vm.kernel, vm.kernel_sha256);
  if (!status.ok()) return status;
  return CompareBootFile("initrd", vm.initrd, vm.initrd_sha256);
}

logchannel::wire::VmDefinition ToWire(const VmDefinition& vm) {
  logchannel::wire::VmDefinition wire;
  wire.set_name(vm.name);
  wire.set_uuid(vm.uuid);
  wire.set_memory_mib(vm.memory_mib);
  wire.set_kernel(vm.kernel);
  wire.set_initrd(vm.initrd);
  wire.set_cmdline(vm.cmdline);
  wire.set_kernel_sha256(vm.kernel_sha256);
  wire.set_initrd_sha256(vm.initrd_sha256);
  for (const Nic& nic : vm.nics) {
    auto* added = wire.add_nics();
    added->set_mac(nic.mac);
    added->set_model(nic.model);
    added->set_bridge(nic.bridge);
  }
  for (const Disk& disk : vm.disks) {
    auto* added = wire.add_disks();
    added->set_path(disk.path);
    added->set_format(disk.format);
    added->set_bus(disk.bus);
    added->set_mode(disk.mode);
    added->set_reads(disk.reads);
  }
  wire.set_video(vm.video);
  wire.set_tablet(vm.tablet);
  wire.set_serial_input(vm.serial_input);
  return wire;
}

VmDefinition FromWire(const logchannel::wire::VmDefinition& wire) {
  VmDefinition vm{
      .name = wire.name(),
      .uuid = wire.uuid(),
      .memory_mib = wire.memory_mib(),
      .kernel = wire.kernel(),
      .initrd = wire.initrd(),
      .cmdline = wire.cmdline(),
      .video = wire.video(),
      .tablet = wire.tablet(),
      .serial_input = wire.serial_input(),
      .kernel_sha256 = wire.kernel_sha256(),
      .initrd_sha256 = wire.initrd_sha256(),
  };
  for (const auto& nic : wire.nics()) {
    vm.nics.push_back(
        {.mac = nic.mac(), .model = nic.model(), .bridge = nic.bridge()});
  }
  for (const auto& disk : wire.disks()) {
    vm.disks.push_back(
        {.path = disk.path(),
         .format = disk.format(),
         .bus = disk.bus(),
         .mode = disk.mode(),
         // Who kept it before there were two knew one.
         .reads = disk.reads().empty() ? kReadsFromLog : disk.reads()});
  }
  return vm;
}

}  // namespace ft::replay
