// SPDX-License-Identifier: GPL-2.0-or-later
//
// StoryDisk: the disk of the story's VM, and the guest that lives on it: a
// Debian root with a Redis that answers a write when it is on the disk.
//
//     shared     the image lies at the storage host's disk service, which
//                also keeps the record of the test-and-set
//     private    each host has an image of its own under the same path, host B
//                none until it becomes a backup; the test-and-set is decided
//                by an etcd on the storage host
//
// Needs the image and the guest that ./lockstep demo --disk makes.
#pragma once

#include <string>

#include "tests/system/testbed.h"

namespace ft::bed {

enum class DiskKind { kNone, kShared, kPrivate };

// "none", "shared", "private"; BedError for any other word.
DiskKind DiskKindFromName(const std::string& name);
std::string DiskKindName(DiskKind kind);

class StoryDisk {
 public:
  // `kind` is not kNone.
  StoryDisk(TestBed& bed, DiskKind kind);

  // Makes the images, starts what serves them or decides about them, and
  // tells both hosts' configurations. Before any ftd is started.
  void Prepare();
  // Of kShared: the disk service, which has ended, starts again.
  void StartService();
  VmOptions Vm() const;
  // A line for who watches.
  std::string Describe() const;
  // What hostB's engine writes, as a file of this machine.
  std::string ImageOfB() const;

 private:
  // A copy of the Debian image.
  static void MakeImage(const std::string& path);

  TestBed& bed_;
  const DiskKind kind_;
};

}  // namespace ft::bed
