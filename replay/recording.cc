// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/recording.h"

#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "replay/whole_number.h"

namespace ft::replay {

namespace json = boost::json;

namespace {

json::object ToJson(const VmDefinition& vm) {
  json::array nics, disks;
  for (const Nic& nic : vm.nics) {
    nics.push_back(
        {{"mac", nic.mac}, {"model", nic.model}, {"bridge", nic.bridge}});
  }
  for (const Disk& disk : vm.disks) {
    disks.push_back({{"path", disk.path},
                     {"format", disk.format},
                     {"bus", disk.bus},
                     {"mode", disk.mode}});
  }
  return {{"name", vm.name},
          {"uuid", vm.uuid},
          {"memory_mib", vm.memory_mib},
          {"kernel", vm.kernel},
          {"initrd", vm.initrd},
          {"cmdline", vm.cmdline},
          {"nics", std::move(nics)},
          {"disks", std::move(disks)},
          {"video", vm.video},
          {"tablet", vm.tablet},
          {"serial_input", vm.serial_input},
          {"kernel_sha256", vm.kernel_sha256},
          {"initrd_sha256", vm.initrd_sha256}};
}

std::string Text(const json::value& object, const char* key) {
  return json::value_to<std::string>(object.at(key));
}

template <typename T>
T Number(const json::value& object, const char* key) {
  if (const auto number = WholeNumber<T>(object.at(key))) return *number;
  throw std::out_of_range(std::string(key) + " is no number that fits");
}

VmDefinition VmFromJson(const json::value& value) {
  VmDefinition vm;
  vm.name = Text(value, "name");
  vm.uuid = Text(value, "uuid");
  vm.memory_mib = Number<uint32_t>(value, "memory_mib");
  vm.kernel = Text(value, "kernel");
  vm.initrd = Text(value, "initrd");
  vm.cmdline = Text(value, "cmdline");
  vm.video = Text(value, "video");
  vm.tablet = value.at("tablet").as_bool();
  vm.serial_input = value.at("serial_input").as_bool();
  vm.kernel_sha256 = Text(value, "kernel_sha256");
  vm.initrd_sha256 = Text(value, "initrd_sha256");
  for (const json::value& nic : value.at("nics").as_array()) {
    vm.nics.push_back({.mac = Text(nic, "mac"),
                       .model = Text(nic, "model"),
                       .bridge = Text(nic, "bridge")});
  }
  for (const json::value& disk : value.at("disks").as_array()) {
    vm.disks.push_back({.path = Text(disk, "path"),
                        .format = Text(disk, "format"),
                        .bus = Text(disk, "bus"),
                        .mode = Text(disk, "mode")});
  }
  return vm;
}

MachineDigest MarkFromJson(const json::value& value) {
  return {.icount = Number<uint64_t>(value, "instruction"),
          .position = Number<uint64_t>(value, "position"),
          .ram = Text(value, "ram"),
          .cpu = Text(value, "cpu"),
          .devices = Text(value, "devices")};
}

Status MissingIn(const std::string& directory, const std::string& what) {
  return Status::Invalid(
      directory + " is no recording: it has no " + what,
      "name a directory that ./lockstep torture left as evidence");
}

}  // namespace

Recording::Recording(std::string directory, std::string engine,
                     std::string share_dir, VmDefinition vm)
    : directory_(std::move(directory)),
      engine_(std::move(engine)),
      share_dir_(std::move(share_dir)),
      vm_(std::move(vm)) {}

Result<Recording> Recording::Open(const std::string& directory) {
  if (std::filesystem::is_regular_file(directory)) {
    return Status::Invalid(
        directory + " is a file: a log alone has no snapshot to replay from",
        "name the directory of a recording");
  }
  Recording recording(directory, "", "", {});
  for (const std::string& path :
       {recording.snapshot_path(), recording.log_path(),
        recording.command_path(), recording.marks_path()}) {
    if (access(path.c_str(), R_OK) == 0) continue;
    return MissingIn(directory, std::filesystem::path(path).filename());
  }
  std::string reading = recording.command_path();
  try {
    std::stringstream text;
    text << std::ifstream(reading).rdbuf();
    const json::value command = json::parse(text.str());
    recording.engine_ = Text(command, "engine");
    recording.share_dir_ = Text(command, "share_dir");
    recording.vm_ = VmFromJson(command.at("vm"));
    reading = recording.marks_path();
    std::ifstream marks(reading);
    for (std::string line; std::getline(marks, line);) {
      recording.marks_.push_back(MarkFromJson(json::parse(line)));
    }
  } catch (const std::exception& error) {
    return Status::Invalid(reading + ": " + error.what());
  }
  return recording;
}

Status Recording::WriteCommand() const {
  const json::object command = {
      {"engine", engine_}, {"share_dir", share_dir_}, {"vm", ToJson(vm_)}};
  std::ofstream file(command_path());
  file << json::serialize(command) << "\n";
  std::ofstream marks(marks_path());
  file.flush();
  if (file && marks) return Status::Ok();
  return Status::Unavailable("cannot write to " + directory_);
}

Status Recording::AddMark(const MachineDigest& mark) {
  marks_.push_back(mark);
  std::ofstream file(marks_path(), std::ios::app);
  file << json::serialize(json::object{{"position", mark.position},
                                       {"instruction", mark.icount},
                                       {"ram", mark.ram},
                                       {"cpu", mark.cpu},
                                       {"devices", mark.devices}})
       << "\n";
  file.flush();
  if (file) return Status::Ok();
  return Status::Unavailable("cannot write " + marks_path());
}

}  // namespace ft::replay
