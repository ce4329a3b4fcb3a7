// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/story_disk.h"

#include <algorithm>
#include <filesystem>

#include "tests/sparse_copy.h"

namespace ft::bed {
namespace fs = std::filesystem;

namespace {

constexpr char kDisk[] = "vm1-root";
constexpr char kImage[] = "/root.img";

struct NamedKind {
  DiskKind kind;
  const char* name;
};

constexpr NamedKind kKinds[] = {{DiskKind::kNone, "none"},
                                {DiskKind::kShared, "shared"},
                                {DiskKind::kPrivate, "private"}};

}  // namespace

DiskKind DiskKindFromName(const std::string& name) {
  for (const NamedKind& named : kKinds) {
    if (named.name == name) return named.kind;
  }
  throw BedError("\"" + name + "\" is no kind of disk; shared and private are");
}

std::string DiskKindName(DiskKind kind) {
  return std::ranges::find(kKinds, kind, &NamedKind::kind)->name;
}

StoryDisk::StoryDisk(TestBed& bed, DiskKind kind) : bed_(bed), kind_(kind) {}

void StoryDisk::MakeImage(const std::string& path) {
  fs::create_directories(fs::path(path).parent_path());
  const Status made = CopySparse(DebianImage(), path);
  if (!made.ok()) throw BedError(made.ToString());
}

void StoryDisk::Prepare() {
  HostOptions& a = bed_.a().options();
  HostOptions& b = bed_.b().options();
  if (kind_ == DiskKind::kShared) {
    MakeImage(ImageOfB());
    StartService();
    a.fencing = b.fencing = StorageHost::ServiceFencing();
    return;
  }
  MakeImage(bed_.a().own_private_path() + kImage);
  bed_.storage().StartEtcd();
  a.fencing = b.fencing = StorageHost::EtcdFencing();
  a.private_directory = b.private_directory = true;
}

void StoryDisk::StartService() {
  bed_.storage().StartDiskService(kDisk, kVm);
}

VmOptions StoryDisk::Vm() const {
  VmOptions vm;
  vm.kernel = GuestDirectory() + "/vmlinuz-devices";
  vm.initrd = GuestDirectory() + "/initrd-devices.gz";
  vm.kernel_arguments = " ft.what=durable ft.end=poweroff root=/dev/vda";
  const bool shared = kind_ == DiskKind::kShared;
  vm.disks = {{.path = shared ? StorageHost::DiskPath(kDisk)
                              : bed_.a().private_path() + kImage,
               .mode = DiskKindName(kind_)}};
  return vm;
}

std::string StoryDisk::Describe() const {
  return kind_ == DiskKind::kShared
             ? "has a disk service with vm1's disk and its record"
             : "has an etcd with vm1's record; each host has a disk for vm1";
}

std::string StoryDisk::ImageOfB() const {
  return kind_ == DiskKind::kShared ? bed_.storage().image(kDisk)
                                    : bed_.b().own_private_path() + kImage;
}

}  // namespace ft::bed
