// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/engine_command.h"

#include <algorithm>
#include <filesystem>

#include "replay/iscsi_disk.h"

namespace ft::replay {
namespace {

// QEMU separates options by ',' and takes ",," for one that is meant.
std::string Escape(const std::string& value) {
  std::string escaped;
  for (char c : value) {
    escaped += c;
    if (c == ',') escaped += c;
  }
  return escaped;
}

using Arguments = std::vector<std::string>;

void Append(Arguments& argv, std::initializer_list<std::string> more) {
  argv.insert(argv.end(), more);
}

// What the guest can see; no path of this host but the boot files.
void AppendMachine(Arguments& argv, const VmDefinition& vm) {
  Append(argv, {"-name", Escape(vm.name), "-uuid", vm.uuid});
  Append(argv, {"-machine", "pc,accel=tcg", "-cpu", "qemu64", "-smp", "1", "-m",
                std::to_string(vm.memory_mib)});
  // All of it, now. A clone reads every page, and what was not there before
  // is there in small pages from then on: a guest that fills its memory
  // afterwards lost a tenth of its speed on either side. And a backup whose
  // host has no memory for it must not be found out at the failover.
  Append(argv, {"-mem-prealloc"});
  Append(argv, {"-nodefaults", "-no-user-config", "-display", "none"});
  Append(argv, {"-rtc", "base=utc,clock=vm"});
  Append(argv, {"-kernel", vm.kernel});
  if (!vm.initrd.empty()) Append(argv, {"-initrd", vm.initrd});
  Append(argv, {"-append", vm.cmdline});
}

std::string DeviceOf(const std::string& nic_model) {
  return nic_model == kVirtioNet ? "virtio-net-pci" : nic_model;
}

// The three options of one NIC. vhost would move packets past the log;
// romfile= because a boot ROM is one more thing that must be equal.
void AppendNic(Arguments& argv, const Nic& nic, const std::string& tap,
               size_t index) {
  const std::string net = "n" + std::to_string(index);
  Append(argv, {"-netdev", "tap,id=" + net + ",ifname=" + Escape(tap) +
                               ",script=no,downscript=no,vhost=off"});
  Append(argv, {"-device", DeviceOf(nic.model) + ",netdev=" + net +
                               ",mac=" + nic.mac + ",romfile="});
  Append(argv, {"-object",
                "filter-ft,id=f" + std::to_string(index) + ",netdev=" + net});
}

// Three nodes of one disk: storage, format, and our filter, which the device
// sits on. Nobody locks a shared image: both sides of the pair have it open,
// and fencing says who may write. Nor does a host cache it: what the backup's
// host read while it waited is old when it goes live. The engine has a thread
// for I/O (block/ft-storage.c), the device none of its own. An error is the
// guest's, by the log: a backup that stopped on it would be stopped for good.
constexpr char kErrors[] = ",werror=report,rerror=report";

// The node where the bytes are: at a disk service or iSCSI target, or here.
std::string StorageNode(const Disk& disk, const DiskWriter& writer,
                        const std::string& name) {
  if (const auto nbd = ParseNbdPath(disk.path); nbd.ok()) {
    return "driver=nbd,node-name=" + name + "," +
           NbdNodeOptions(nbd.value(), writer) + ",discard=unmap";
  }
  if (const auto lun = ParseIscsiPath(disk.path); lun.ok()) {
    return "driver=iscsi,node-name=" + name + "," +
           IscsiNodeOptions(lun.value(), writer) + ",discard=unmap";
  }
  const std::string driver = IsDevicePath(disk.path) ? "host_device" : "file";
  return "driver=" + driver + ",node-name=" + name +
         ",filename=" + Escape(disk.path) + ",cache.direct=on,discard=unmap" +
         (disk.mode == kShared ? ",locking=off" : "");
}

void AppendDisk(Arguments& argv, const Disk& disk, const DiskWriter& writer,
                size_t index) {
  const std::string node = "d" + std::to_string(index);
  Append(argv, {"-blockdev", StorageNode(disk, writer, node + "f")});
  Append(argv, {"-blockdev", "driver=" + disk.format + ",node-name=" + node +
                                 "r,file=" + node + "f,discard=unmap"});
  Append(argv, {"-blockdev", "driver=ft,node-name=" + node + ",file=" + node +
                                 "r,discard=unmap,mode=" + disk.mode +
                                 ",reads=" + disk.reads});
  Append(argv,
         {"-device", disk.bus == kVirtioScsi
                         ? "scsi-hd,drive=" + node + ",bus=scsi0.0" + kErrors
                         : "virtio-blk-pci,drive=" + node + kErrors});
}

bool OnScsi(const Disk& disk) { return disk.bus == kVirtioScsi; }

void AppendDisks(Arguments& argv, const std::vector<Disk>& disks,
                 const DiskWriter& writer) {
  // One controller for all of them.
  if (std::any_of(disks.begin(), disks.end(), OnScsi)) {
    Append(argv, {"-device", "virtio-scsi-pci,id=scsi0"});
  }
  for (size_t i = 0; i < disks.size(); ++i)
    AppendDisk(argv, disks[i], writer, i);
}

// What somebody in front of the machine would see and hold. The adapter's
// BIOS is a file of the firmware directory.
void AppendConsole(Arguments& argv, const VmDefinition& vm) {
  if (vm.video == kVga) Append(argv, {"-device", "VGA"});
  if (!vm.tablet) return;
  Append(argv, {"-device", "piix3-usb-uhci,id=usb"});
  Append(argv, {"-device", "usb-tablet,bus=usb.0"});
}

// The serial port writes the console's log either way.
void AppendSerial(Arguments& argv, const EngineOptions& options) {
  if (!options.vm.serial_input) {
    Append(argv, {"-serial", "file:" + options.console_log});
    return;
  }
  Append(argv,
         {"-chardev", "socket,id=serial0,path=" + Escape(options.serial_path) +
                          ",server=on,wait=off,logfile=" +
                          Escape(options.console_log) + ",logappend=off"});
  Append(argv, {"-serial", "chardev:serial0"});
}

bool SafeInShell(const std::string& word) {
  return !word.empty() && word.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_-./,:=+@%") == std::string::npos;
}

}  // namespace

std::string ShareDir(const EngineOptions& options) {
  if (!options.share_dir.empty()) return options.share_dir;
  const std::filesystem::path binary(options.binary);
  return (binary.parent_path().parent_path() / "share").string();
}

std::vector<std::string> EngineCommand(const EngineOptions& options) {
  Arguments argv = {options.binary, "-L", ShareDir(options)};
  AppendMachine(argv, options.vm);
  Append(argv,
         {"-icount", "shift=2,rr=ft,rrfile=" + Escape(options.ring_path)});
  AppendSerial(argv, options);
  Append(argv, {"-monitor", "none"});
  for (size_t i = 0; i < options.vm.nics.size(); ++i) {
    AppendNic(argv, options.vm.nics[i], options.taps.at(i), i);
  }
  AppendDisks(argv, options.vm.disks, options.writer);
  AppendConsole(argv, options.vm);
  Append(argv,
         {"-qmp", "unix:" + Escape(options.qmp_path) + ",server=on,wait=off"});
  if (options.incoming) Append(argv, {"-incoming", *options.incoming});
  argv.insert(argv.end(), options.extra_arguments.begin(),
              options.extra_arguments.end());
  return argv;
}

std::string FormatCommand(const std::vector<std::string>& argv) {
  std::string line;
  for (const std::string& word : argv) {
    if (!line.empty()) line += ' ';
    if (SafeInShell(word)) {
      line += word;
      continue;
    }
    line += '\'';
    for (char c : word) {
      if (c == '\'') line += "'\\'";
      line += c;
    }
    line += '\'';
  }
  return line;
}

}  // namespace ft::replay
