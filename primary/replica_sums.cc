// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/replica_sums.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "replay/replica_checksums.h"

namespace ft::primary {
namespace fs = std::filesystem;

Result<ReplicaSums> ReplicaSums::Measure(const replay::VmDefinition& vm) {
  ReplicaSums sums;
  for (size_t i = 0; i < vm.disks.size(); ++i) {
    const replay::Disk& disk = vm.disks[i];
    if (disk.mode != replay::kPrivate) continue;
    auto bytes = replay::DiskBytes(disk);
    if (!bytes.ok()) return bytes.status();
    sums.images_.push_back(
        {.disk = static_cast<uint32_t>(i), .path = disk.path, .bytes = *bytes});
  }
  return sums;
}

void ReplicaSums::AddSizes(logchannel::wire::VmDefinition* vm) const {
  for (const Image& image : images_) {
    vm->mutable_disks(static_cast<int>(image.disk))
        ->set_size_bytes(image.bytes);
  }
}

Status ReplicaSums::OnChecksums(
    const logchannel::wire::ReplicaChecksums& message) {
  const size_t count =
      message.checksums().size() / replay::kReplicaChecksumBytes;
  if (count == 0 || count > kChecksumsMax ||
      message.checksums().size() % replay::kReplicaChecksumBytes != 0) {
    return Status::Invalid("a message with " +
                           std::to_string(message.checksums().size()) +
                           " bytes of checksums of a replica");
  }
  if (complete()) {
    return Status::Invalid("checksums of replica " +
                           std::to_string(message.disk()) +
                           ", and there is none that wants any");
  }
  Image& image = images_[next_];
  const uint64_t known = image.checksums.size() / replay::kReplicaChecksumBytes;
  const uint64_t all = replay::ReplicaChunks(image.bytes);
  if (message.disk() != image.disk || message.first_chunk() != known ||
      count > all - known) {
    return Status::Invalid(
        "checksums of replica " + std::to_string(message.disk()) +
        " from chunk " + std::to_string(message.first_chunk()) + " on, " +
        std::to_string(count) + " of them; expected replica " +
        std::to_string(image.disk) + ", chunk " + std::to_string(known) +
        ", at most " + std::to_string(all - known));
  }
  image.checksums += message.checksums();
  received_ += count;
  if (known + count == all) ++next_;
  return Status::Ok();
}

uint64_t ReplicaSums::current_bytes() const {
  const Image& image = current();
  return std::min(image.bytes, image.checksums.size() /
                                   replay::kReplicaChecksumBytes *
                                   replay::kReplicaChunkBytes);
}

Status ReplicaSums::Write(const std::string& directory) const {
  std::error_code error;
  fs::remove_all(directory, error);
  if (!error) fs::create_directory(directory, error);
  bool written = !error;
  for (const Image& image : images_) {
    std::ofstream file(
        directory + "/d" + std::to_string(image.disk) + ".sha256",
        std::ios::binary);
    file << image.checksums;
    file.close();
    written = written && file.good();
  }
  if (written) return Status::Ok();
  return Status::Unavailable(
      "cannot write the checksums of replicas to " + directory,
      "make room in run_dir, and give ftd the right to write there");
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace ft::primary
