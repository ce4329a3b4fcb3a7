// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/vm_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "host/config.h"
#include "host/refused_devices.h"
#include "logchannel/toml_reader.h"

namespace ft::host {
namespace {

void Refuse(TableReader& top, const std::string& what,
            const std::string& written) {
  const RefusedDevice& row = RefusalOf(written);
  top.Fail(Status::Invalid(fmt::format("{} {}", what, row.why), row.instead));
}

void RefuseDevices(TableReader& top, const std::string& vm) {
  if (!top.Has("device")) return;
  for (TableReader& device : top.Array("device")) {
    std::string model = "(unnamed)";
    device.Read("model", &model);
    device.Read("type", &model);
    Refuse(top, fmt::format("{}: device {}", vm, model), model);
  }
}

// Familiar keys of other hypervisors' files: each word of the table, its
// plural, and with '_' for '-'.
void RefuseKeys(TableReader& top) {
  for (const RefusedDevice& row : RefusedDevices()) {
    std::string with_underscores = row.word;
    std::ranges::replace(with_underscores, '-', '_');
    for (const std::string& word : {std::string(row.word), with_underscores}) {
      for (const std::string& key : {word, word + "s"}) {
        if (!top.Has(key.c_str())) continue;
        Refuse(top, fmt::format("{}: {}", top.Where(key.c_str()), key),
               row.word);
      }
    }
  }
}

bool IsUnicastMac(const std::string& mac) {
  if (mac.size() != 17) return false;
  for (size_t i = 0; i < mac.size(); ++i) {
    bool colon = i % 3 == 2;
    unsigned char c = static_cast<unsigned char>(mac[i]);
    if (colon ? c != ':' : !std::isxdigit(c)) return false;
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
  if (nic.model != replay::kVirtioNet && nic.model != replay::kE1000) {
    Refuse(table, fmt::format("{}: NIC model {}", vm, nic.model), nic.model);
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

void ReadDisks(TableReader& top, replay::VmDefinition* vm) {
  for (TableReader& table : top.Array("disk")) {
    replay::Disk disk;
    table.Require("path", &disk.path);
    table.Read("format", &disk.format);
    table.Read("bus", &disk.bus);
    table.Read("mode", &disk.mode);
    table.Read("reads", &disk.reads);
    if (disk.bus != replay::kVirtioBlk && disk.bus != replay::kVirtioScsi) {
      Refuse(table, fmt::format("{}: disk on bus {}", vm->name, disk.bus),
             disk.bus);
    }
    vm->disks.push_back(disk);
    top.Fail(table.Finish());
  }
}

// Of these, too, a value may be the name of something else.
void ReadConsole(TableReader& top, replay::VmDefinition* vm) {
  top.Read("video", &vm->video);
  top.Read("tablet", &vm->tablet);
  top.Read("serial_input", &vm->serial_input);
  if (vm->video != replay::kNoVideo && vm->video != replay::kVga) {
    Refuse(top, fmt::format("{}: video {}", vm->name, vm->video), vm->video);
  }
}

void ReadName(TableReader& top, replay::VmDefinition* vm) {
  top.Require("name", &vm->name);
  if (vm->name.empty() || IsValidName(vm->name)) return;
  top.Fail(
      Status::Invalid(fmt::format("{}: \"{}\" cannot be a VM's name",
                                  top.Where("name"), vm->name),
                      "use at most 63 letters, digits, '-', '_' and '.', the "
                      "first a letter or digit"));
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

// A TOML basic string; control characters, DEL among them, need escapes.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
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
  ReadDisks(top, &vm);
  ReadConsole(top, &vm);
  RefuseDevices(top, vm.name);
  RefuseKeys(top);
  if (Status status = top.Finish(); !status.ok()) return status;
  if (vm.uuid.empty()) vm.uuid = replay::UuidFromName(vm.name);
  if (Status status = replay::Validate(vm); !status.ok()) return status;
  return vm;
}

Status CheckFiles(const replay::VmDefinition& vm) {
  Status status = CheckReadable(vm.name, "kernel", vm.kernel);
  if (status.ok() && !vm.initrd.empty()) {
    status = CheckReadable(vm.name, "initrd", vm.initrd);
  }
  if (!status.ok()) return status;
  for (const replay::Disk& disk : vm.disks) {
    Status usable = replay::CheckDisk(disk);
    if (usable.ok()) continue;
    return Status::Invalid(vm.name + ": " + usable.message(), usable.remedy());
  }
  return Status::Ok();
}

std::string FormatVmFile(const replay::VmDefinition& vm) {
  std::string text = fmt::format(
      "name = {}\nuuid = {}\nvcpus = 1\nmemory_mib = {}\nkernel = {}\n"
      "initrd = {}\ncmdline = {}\nvideo = {}\ntablet = {}\n"
      "serial_input = {}\n",
      Quoted(vm.name), Quoted(vm.uuid), vm.memory_mib, Quoted(vm.kernel),
      Quoted(vm.initrd), Quoted(vm.cmdline), Quoted(vm.video), vm.tablet,
      vm.serial_input);
  for (const replay::Nic& nic : vm.nics) {
    text += fmt::format("\n[[nic]]\nmac = {}\nbridge = {}\nmodel = {}\n",
                        Quoted(nic.mac), Quoted(nic.bridge), Quoted(nic.model));
  }
  for (const replay::Disk& disk : vm.disks) {
    text += fmt::format(
        "\n[[disk]]\npath = {}\nformat = {}\nbus = {}\nmode = {}\nreads = {}\n",
        Quoted(disk.path), Quoted(disk.format), Quoted(disk.bus),
        Quoted(disk.mode), Quoted(disk.reads));
  }
  return text;
}

}  // namespace ft::host
