// SPDX-License-Identifier: GPL-2.0-or-later
//
// The third host of the bed. It has what the other two share: a disk service
// with a disk and the record that says who writes it, or an etcd with the
// record alone.
//
//     <bed>/storage/NAME.img, store/      the service's images and epochs
//     <bed>/storage/service.toml, .log
//     <bed>/storage/etcd/, etcd.log
//
// Both listen at kStorageAddress, on the storage network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/system/child_process.h"

namespace ft::bed {

class StorageHost {
 public:
  StorageHost(const std::string& name_space, const std::string& bed_dir);

  // ft-disk-service with one disk, image(disk), of `vm`: its caller's to
  // make. Returns when it is ready; BedError with its last words if it ends.
  void StartDiskService(const std::string& disk, const std::string& vm);
  // An etcd of one member, as a third party; returns when it decides.
  void StartEtcd();
  // To whichever runs: SIGKILL, or a signal that stops it or lets it go on.
  void Kill();
  void Signal(int signal);
  bool running() { return server_ && server_->running(); }
  // What the disk service has said so far.
  std::string log() const;

  // The service's epochs.
  std::string state_dir() const { return dir_ + "/store"; }
  std::string image(const std::string& disk) const {
    return dir_ + "/" + disk + ".img";
  }
  // Of a disk at the service, for a VM file.
  static std::string DiskPath(const std::string& disk);
  // Tables [fencing] of a host whose test-and-set is here.
  static std::string ServiceFencing();
  static std::string EtcdFencing();

 private:
  std::string LogPath() const { return dir_ + "/service.log"; }
  void Start(const std::vector<std::string>& argv, const std::string& log);
  [[noreturn]] void ThrowLastWords(const std::string& what,
                                   const std::string& log) const;

  const std::string name_space_;
  const std::string dir_;
  std::unique_ptr<ChildProcess> server_;
};

}  // namespace ft::bed
