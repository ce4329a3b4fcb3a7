// SPDX-License-Identifier: GPL-2.0-or-later
//
// DiskServiceForTest: a real disk service as a child process, ft-disk-service
// with nbdkit and the plugin, and the hands to injure it with. For tests of
// any component. Its images and its store are in a scratch directory.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "shared-disk/scratch_directory_for_test.h"

namespace ft::shared_disk {

class DiskServiceForTest {
 public:
  static constexpr uint64_t kDiskBytes = 4 << 20;

  struct Options {
    // On a port of the loopback instead of a Unix socket.
    bool tcp = false;
    // "NAME VM", each an image of this size.
    std::vector<std::string> disks = {"vm1-root vm1"};
    uint64_t disk_bytes = kDiskBytes;
    // Where store and images are.
    std::string parent = "/dev/shm";
  };

  // Makes store and images and starts the service.
  DiskServiceForTest() : DiskServiceForTest(Options()) {}
  explicit DiskServiceForTest(const Options& options);
  ~DiskServiceForTest();

  // "127.0.0.1:PORT", or the socket's path.
  const std::string& address() const { return address_; }
  std::string store() const { return scratch_.path() / "store"; }
  std::string image(const std::string& disk) const {
    return scratch_.path() / (disk + ".img");
  }
  std::string config() const { return scratch_.path() / "service.toml"; }

  // Returns when it is ready, or has ended instead: false.
  bool Start();
  // SIGKILL, and it is gone when this returns.
  void Kill();
  // SIGTERM, likewise.
  void Stop();
  // Like a service whose host or storage hangs.
  void Pause();
  void Continue();
  pid_t pid() const { return pid_; }

  // Everything that it said since the first start. The wait is over when
  // `text` is in there (true) or the process has ended (false).
  std::string log() const;
  bool AwaitLog(const std::string& text);

  // Puts bytes that are no record in the place of a VM's. It must not run.
  void Damage(const std::string& vm);

 private:
  void End(int signal);
  void ReadLog(int fd);

  ScratchDirectory scratch_;
  std::string address_;
  pid_t pid_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable said_;
  // --- mutex_ ---
  std::string log_;
  bool log_ended_ = true;
  // ---
  std::jthread log_reader_;
};

// Runs ft-disk-service with `arguments` until it ends: what it said, stderr
// too, and its exit status after a '|'.
std::string RunDiskService(const std::vector<std::string>& arguments);

}  // namespace ft::shared_disk
