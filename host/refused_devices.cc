// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/refused_devices.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace ft::host {
namespace {

constexpr char kReplay[] = "cannot be replayed deterministically";
constexpr char kPast[] = "cannot be replayed: it moves data past the log";
constexpr char kOwnTable[] = "has a place of its own in the VM file";
constexpr char kFixed[] = "is the same in every VM";

constexpr char kUseNic[] =
    "use [[nic]] with model = \"virtio-net\" or \"e1000\"";
constexpr char kUseDisk[] =
    "use [[disk]] with bus = \"virtio-blk\" or \"virtio-scsi\"";
constexpr char kUseFiles[] = "put the files on a [[disk]] or into the initrd";
constexpr char kUseVga[] = "use video = \"vga\"";
constexpr char kUseTablet[] =
    "use tablet = true; keyboard and mouse are PS/2 and always there";
constexpr char kUseMemory[] = "set memory_mib to what the guest needs";
constexpr char kUseSerial[] =
    "use the serial port; serial_input = true lets it listen too";
constexpr char kLeaveOut[] = "leave it out";

constexpr auto kRefused = std::to_array<RefusedDevice>({
    // Past the engine, to the host's kernel or hardware.
    {"vhost-user", kPast, kUseNic},
    {"vhost", kPast, kUseNic},
    {"vdpa", kPast, kUseNic},
    {"vfio", kPast, kUseNic},
    {"hostdev", kPast, kUseNic},
    {"sr-iov", kPast, kUseNic},
    {"virtio-fs", kPast, kUseFiles},
    {"virtiofs", kPast, kUseFiles},
    {"9p", kPast, kUseFiles},
    {"filesystem", kPast, kUseFiles},
    {"ivshmem", kPast, "let the guests talk over a [[nic]]"},
    {"vsock", kPast, kUseNic},
    {"iothread", "cannot be replayed: it is a second thread that does I/O",
     "leave it out: the engine has a thread for all disks"},
    // Memory and processors.
    {"balloon", kReplay, kUseMemory},
    {"virtio-mem", kReplay, kUseMemory},
    {"pmem", kReplay, kUseMemory},
    {"nvdimm", kReplay, kUseMemory},
    {"dimm", kReplay, kUseMemory},
    {"smp", "cannot be replayed: the order of accesses is not logged",
     "set vcpus = 1"},
    {"kvm", "cannot be replayed: its instructions are not counted",
     "leave it out: the engine translates the guest's instructions"},
    {"accel", kFixed, kLeaveOut},
    {"cpu", "is the same in every VM (qemu64), on any host", kLeaveOut},
    {"machine", "is the same in every VM (pc)", kLeaveOut},
    {"firmware", kFixed, "leave it out: the guest boots from kernel"},
    {"uefi", kFixed, "leave it out: the guest boots from kernel"},
    {"iommu", kReplay, kLeaveOut},
    // Random numbers and clocks.
    {"rng", kReplay, "leave it out: the guest seeds itself from the log"},
    {"tpm", kReplay, kLeaveOut},
    {"vmgenid", kReplay, kLeaveOut},
    {"watchdog", kReplay, "leave it out: ftd watches the engine"},
    {"i6300esb", kReplay, "leave it out: ftd watches the engine"},
    // NICs. What has a place of its own comes after its namesakes.
    {"e1000e", kReplay, kUseNic},
    {"igb", kReplay, kUseNic},
    {"rtl8139", kReplay, kUseNic},
    {"pcnet", kReplay, kUseNic},
    {"ne2k", kReplay, kUseNic},
    {"vmxnet3", kReplay, kUseNic},
    {"e1000", kOwnTable, kUseNic},
    {"virtio-net", kOwnTable, kUseNic},
    // Disks.
    {"nvme", kReplay, kUseDisk},
    {"ide", kReplay, kUseDisk},
    {"ahci", kReplay, kUseDisk},
    {"sata", kReplay, kUseDisk},
    {"cdrom", kReplay, "use [[disk]] with the image's path"},
    {"floppy", kReplay, kUseDisk},
    {"lsi", kReplay, kUseDisk},
    {"megasas", kReplay, kUseDisk},
    {"pvscsi", kReplay, kUseDisk},
    {"sd-card", kReplay, kUseDisk},
    {"usb-storage", kReplay, kUseDisk},
    {"virtio-blk", kOwnTable, kUseDisk},
    {"virtio-scsi", kOwnTable, kUseDisk},
    {"scsi-hd", kOwnTable, kUseDisk},
    // What is in front of the machine.
    {"virtio-gpu", kReplay, kUseVga},
    {"virtio-vga", kReplay, kUseVga},
    {"qxl", kReplay, kUseVga},
    {"cirrus", kReplay, kUseVga},
    {"vmware-svga", kReplay, kUseVga},
    {"bochs-display", kReplay, kUseVga},
    {"ramfb", kReplay, kUseVga},
    {"vnc", "is not there yet: the display has no viewer", kUseSerial},
    {"spice", "is not there yet: the display has no viewer", kUseSerial},
    {"graphics", "is not there yet: the display has no viewer", kUseVga},
    {"vga", kOwnTable, kUseVga},
    {"virtio-input", kReplay, kUseTablet},
    {"virtio-tablet", kReplay, kUseTablet},
    {"virtio-keyboard", kReplay, kUseTablet},
    {"usb-tablet", kOwnTable, kUseTablet},
    {"usb", kReplay, kUseTablet},
    {"xhci", kReplay, kUseTablet},
    {"ehci", kReplay, kUseTablet},
    {"virtio-serial", kReplay, kUseSerial},
    {"virtconsole", kReplay, kUseSerial},
    {"parallel", kReplay, kUseSerial},
    {"guest-agent", kReplay, kUseSerial},
    {"sound", kReplay, kLeaveOut},
    {"audio", kReplay, kLeaveOut},
    {"hda", kReplay, kLeaveOut},
    {"ac97", kReplay, kLeaveOut},
    {"es1370", kReplay, kLeaveOut},
    {"sb16", kReplay, kLeaveOut},
    {"virtio-crypto", kReplay, kLeaveOut},
    {"pvpanic", kReplay, kLeaveOut},
    {"", kReplay,
     "remove it; there are [[nic]], [[disk]], video, tablet, serial port, RTC"},
});

}  // namespace

std::span<const RefusedDevice> RefusedDevices() {
  return std::span(kRefused).first(kRefused.size() - 1);
}

const RefusedDevice& RefusalOf(const std::string& written) {
  std::string name = written;
  std::ranges::transform(name, name.begin(), [](unsigned char c) {
    return c == '_' ? '-' : static_cast<char>(std::tolower(c));
  });
  return *std::ranges::find_if(kRefused, [&](const RefusedDevice& row) {
    return name.find(row.word) != std::string::npos;
  });
}

}  // namespace ft::host
