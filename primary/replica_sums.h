// SPDX-License-Identifier: GPL-2.0-or-later
//
// ReplicaSums: what the primary knows about the backup's replicas before the
// clone: how large each has to be, and the checksums that arrive of them, in
// order and without a gap. Written to files they tell the engine what need not
// be sent.
//
// Bound: 32 bytes for each MiB of private disks; 32 MiB for a tebibyte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "logchannel/log_channel.pb.h"
#include "logchannel/status.h"
#include "replay/vm_definition.h"

namespace ft::primary {

class ReplicaSums {
 public:
  struct Image {
    uint32_t disk = 0;  // its number among the VM's disks
    std::string path;
    uint64_t bytes = 0;
    std::string checksums = {};
  };
  // Of a message.
  static constexpr size_t kChecksumsMax = 1024;

  // No private disks.
  ReplicaSums() = default;
  // Blocking: measures this host's images. kInvalid names one that is not
  // there.
  static Result<ReplicaSums> Measure(const replay::VmDefinition& vm);

  bool empty() const { return images_.empty(); }
  const std::vector<Image>& images() const { return images_; }
  // Fills in size_bytes.
  void AddSizes(logchannel::wire::VmDefinition* vm) const;

  // The next checksums. Refused, and nothing changed, when they are not those
  // that come next.
  Status OnChecksums(const logchannel::wire::ReplicaChecksums& message);
  bool complete() const { return next_ == images_.size(); }
  // The image whose checksums arrive; only while not complete().
  const Image& current() const { return images_.at(next_); }
  // How many bytes of current() the checksums are of.
  uint64_t current_bytes() const;
  // How many checksums have arrived. Monotonic.
  uint64_t received() const { return received_; }

  // Blocking: "d<i>.sha256" of each image in a new directory; what was there
  // before is gone.
  Status Write(const std::string& directory) const;

 private:
  std::vector<Image> images_;
  size_t next_ = 0;
  uint64_t received_ = 0;
};

// A directory that is gone with this object.
class ScratchDirectory {
 public:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace ft::primary
