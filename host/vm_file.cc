// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/vm_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "host/config.h"
#include "host/toml_reader.h"

namespace ft::host {
namespace {

// Devices that people do have in their VMs, and what to do instead. The key
// is matched anywhere in the model's name: "vhost-net-pci" is a vhost.
struct Refusal {
  const char* word;
  const char* remedy;
};
constexpr std::array<Refusal, 14> kRefusals = {{
    {"vhost-user", "use [[nic]] with model = \"virtio-net\""},
    {"vhost",
     "use [[nic]] with model = \"virtio-net\" (its packets then pass "
     "the engine, which logs them)"},
    {"vfio",
     "use [[nic]] with model = \"virtio-net\": a passed-through "
     "device cannot be replayed"},
    {"virtio-fs", "copy the files into the initrd"},
    {"virtiofs", "copy the files into the initrd"},
    {"9p", "copy the files into the initrd"},
    {"balloon", "set memory_mib to what the guest needs"},
    {"iothread", "leave it out: all I/O runs in the engine's main loop"},
    {"rng", "leave it out: the guest seeds itself from the log"},
    {"e1000", "use model = \"virtio-net\""},
    {"rtl8139", "use model = \"virtio-net\""},
    {"virtio-blk", "boot from an initrd; this version has no disks"},
    {"virtio-scsi", "boot from an initrd; this version has no disks"},
    {"usb", "leave it out; the console is the serial port"},
}};

std::string RemedyFor(const std::string& model) {
  for (const Refusal& refusal : kRefusals) {
    if (model.find(refusal.word) != std::string::npos) return refusal.remedy;
  }
  return "remove it; supported devices: virtio-net (as [[nic]]), serial, RTC";
}

void RefuseDevices(TableReader& top, const std::string& vm) {
  if (!top.Has("device")) return;
  for (TableReader& device : top.Array("device")) {
    std::string model = "(unnamed)";
    device.Read("model", &model);
    device.Read("type", &model);
    top.Fail(Status::Invalid(
        fmt::format("{}: device {} cannot be replayed deterministically", vm,
                    model),
        RemedyFor(model)));
  }
}

// Familiar keys of other hypervisors' files, each with its own answer.
void RefuseOtherWays(TableReader& top) {
  struct Key {
    const char* key;
    const char* what;
    const char* remedy;
  };
  for (const char* key :
       {"balloon", "rng", "vhost", "vfio", "virtiofs", "iothreads", "usb"}) {
    if (!top.Has(key)) continue;
    top.Fail(Status::Invalid(
        fmt::format("{}: {} cannot be replayed deterministically",
                    top.Where(key), key),
        RemedyFor(key)));
  }
  for (Key k :
       {Key{"disk", "disks are not supported yet", "boot from an initrd"},
        Key{"firmware", "the firmware is fixed", "remove the key"},
        Key{"cpu", "the CPU model is fixed (qemu64)", "remove the key"}}) {
    if (!top.Has(k.key)) continue;
    top.Fail(Status::Invalid(fmt::format("{}: {}", top.Where(k.key), k.what),
                             k.remedy));
  }
}

bool IsUnicastMac(const std::string& mac) {
  if (mac.size() != 17) return false;
  for (size_t i = 0; i < mac.size(); ++i) {
    bool colon = i % 3 == 2;
    if (colon ? mac[i] != ':' : !std::isxdigit(mac[i])) return false;
  }
  return (std::stoi(mac.substr(0, 2), nullptr, 16) & 1) == 0;
}

replay::Nic ReadNic(TableReader& table, const std::string& vm) {
  replay::Nic nic;
  table.Require("mac", &nic.mac);
  table.Require("bridge", &nic.bridge);
  table.Read("model", &nic.model);
  std::ranges::transform(nic.mac, nic.mac.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  if (!nic.mac.empty() && !IsUnicastMac(nic.mac)) {
    table.Fail(Status::Invalid(
        fmt::format("{}: \"{}\" is not a unicast MAC address", vm, nic.mac),
        "write six hex pairs such as 52:54:00:12:34:56"));
  }
  if (nic.model != replay::kNicModel) {
    table.Fail(Status::Invalid(
        fmt::format("{}: NIC model {} is not supported", vm, nic.model),
        nic.model.find("vhost") != std::string::npos
            ? RemedyFor(nic.model)
            : "use model = \"virtio-net\""));
  }
  return nic;
}

void ReadNics(TableReader& top, replay::VmDefinition* vm) {
  for (TableReader& table : top.Array("nic")) {
    vm->nics.push_back(ReadNic(table, vm->name));
    top.Fail(table.Finish());
  }
  for (size_t i = 0; i < vm->nics.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (vm->nics[i].mac != vm->nics[j].mac) continue;
      top.Fail(Status::Invalid(fmt::format("{}: two NICs have the MAC {}",
                                           vm->name, vm->nics[i].mac),
                               "give each its own"));
    }
  }
}

void ReadName(TableReader& top, replay::VmDefinition* vm) {
  top.Require("name", &vm->name);
  if (vm->name.empty() || IsValidName(vm->name)) return;
  top.Fail(Status::Invalid(fmt::format("{}: \"{}\" cannot be a VM's name",
                                       top.Where("name"), vm->name),
                           "use at most 63 letters, digits, '-', '_' and '.'"));
}

void ReadMachine(TableReader& top, replay::VmDefinition* vm) {
  int64_t vcpus = 1;
  top.Read("vcpus", &vcpus, 1, 4096);
  if (vcpus != 1) {
    top.Fail(Status::Invalid(
        fmt::format("{}: {} vCPUs: Lockstep replays exactly one", vm->name,
                    vcpus),
        "set vcpus = 1"));
  }
  vm->memory_mib = 256;
  top.Read("memory_mib", &vm->memory_mib, 32, 1 << 20);
  top.Require("kernel", &vm->kernel);
  top.Read("initrd", &vm->initrd);
  top.Read("cmdline", &vm->cmdline);
  top.Read("uuid", &vm->uuid);
  for (const char* key : {"kernel", "initrd"}) {
    const std::string& path = key[0] == 'k' ? vm->kernel : vm->initrd;
    if (path.empty() || path.front() == '/') continue;
    top.Fail(Status::Invalid(
        fmt::format("{}: {} {} is not an absolute path", vm->name, key, path),
        "begin it with '/': both hosts must find the same file"));
  }
}

Status CheckReadable(const std::string& vm, const char* key,
                     const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int error = fd < 0 ? errno : 0;
  struct stat info = {};
  if (fd >= 0) {
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) error = EISDIR;
    close(fd);
  }
  if (error == 0) return Status::Ok();
  return Status::Invalid(
      fmt::format("{}: {} {}: {}", vm, key, path, std::strerror(error)),
      fmt::format("correct {} in the VM file", key));
}

// A TOML basic string.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

Result<replay::VmDefinition> ParseVmFile(const std::string& text,
                                         const std::string& name) {
  Result<TomlFile> file = TomlFile::Parse(text, name);
  if (!file.ok()) return file.status();
  TableReader top = file->root();
  replay::VmDefinition vm;
  ReadName(top, &vm);
  ReadMachine(top, &vm);
  ReadNics(top, &vm);
  RefuseDevices(top, vm.name);
  RefuseOtherWays(top);
  if (Status status = top.Finish(); !status.ok()) return status;
  if (vm.uuid.empty()) vm.uuid = replay::UuidFromName(vm.name);
  if (Status status = replay::Validate(vm); !status.ok()) return status;
  return vm;
}

Status CheckBootFiles(const replay::VmDefinition& vm) {
  Status status = CheckReadable(vm.name, "kernel", vm.kernel);
  if (!status.ok() || vm.initrd.empty()) return status;
  return CheckReadable(vm.name, "initrd", vm.initrd);
}

std::string FormatVmFile(const replay::VmDefinition& vm) {
  std::string text = fmt::format(
      "name = {}\nuuid = {}\nvcpus = 1\nmemory_mib = {}\nkernel = {}\n"
      "initrd = {}\ncmdline = {}\n",
      Quoted(vm.name), Quoted(vm.uuid), vm.memory_mib, Quoted(vm.kernel),
      Quoted(vm.initrd), Quoted(vm.cmdline));
  for (const replay::Nic& nic : vm.nics) {
    text += fmt::format("\n[[nic]]\nmac = {}\nbridge = {}\nmodel = {}\n",
                        Quoted(nic.mac), Quoted(nic.bridge), Quoted(nic.model));
  }
  return text;
}

}  // namespace ft::host
