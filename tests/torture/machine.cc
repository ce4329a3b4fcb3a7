// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/machine.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "logchannel/scoped_fd.h"
#include "tests/replay/test_paths.h"
#include "tests/sparse_copy.h"

namespace ft::torture {
namespace {

// disk.c uses 24 MiB.
constexpr off_t kBlankBytes = 64 << 20;

Status Failed(const std::string& path) {
  return Status::Failed(path + ": " + std::strerror(errno));
}

Status CopyDebian(const std::string& path) {
  const std::string source = replay::DebianImage();
  if (access(source.c_str(), R_OK) == 0) return CopySparse(source, path);
  return Status::Unavailable("there is no Debian image " + source,
                             "make it with tests/guest/build_debian.sh");
}

bool IsPrivate(const Workload& workload) {
  return workload.mode == std::string(replay::kPrivate);
}

Result<ScopedFd> Create(const std::string& path) {
  ScopedFd image(
      open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (image.get() < 0) return Failed(path);
  return image;
}

}  // namespace

Machine::Machine(const Workload& workload) : workload_(workload) {
  const auto parent = std::filesystem::temp_directory_path();
  directory_ = parent / ("lockstep-machine." + std::string(6, 'X'));
  if (mkdtemp(directory_.data()) == nullptr) directory_.clear();
  qmp_path_ = directory_ + "/operator.qmp";
  if (workload_.image == Image::kNoDisk) return;
  image_path_ = backup_image_path_ = directory_ + "/disk.img";
  if (IsPrivate(workload_)) backup_image_path_ = directory_ + "/replica.img";
}

Machine::~Machine() {
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Status Machine::MakeImage() const {
  if (image_path_.empty()) return Status::Ok();
  if (workload_.image == Image::kDebian) {
    const Status copied = CopyDebian(image_path_);
    if (!copied.ok()) return copied;
  } else {
    const auto image = Create(image_path_);
    if (!image.ok()) return image.status();
    if (ftruncate(image->get(), kBlankBytes) != 0) return Failed(image_path_);
  }
  return IsPrivate(workload_) ? MakeReplica() : Status::Ok();
}

Status Machine::MakeReplica() const {
  struct stat info = {};
  const auto replica = Create(backup_image_path_);
  if (!replica.ok()) return replica.status();
  const bool made = stat(image_path_.c_str(), &info) == 0 &&
                    ftruncate(replica->get(), info.st_size) == 0;
  return made ? Status::Ok() : Failed(backup_image_path_);
}

replay::PairOptions Machine::Options() const {
  std::string words = workload_.kernel_arguments;
  if (*workload_.what != '\0')
    words += std::string(" ft.what=") + workload_.what;
  if (workload_.image == Image::kDebian) {
    const bool blk = workload_.bus == std::string(replay::kVirtioBlk);
    words += blk ? " root=/dev/vda" : " root=/dev/sda";
  }
  replay::PairOptions options = {.workload = workload_.guest,
                                 .rounds = workload_.rounds,
                                 .memory_mib = workload_.memory_mib,
                                 .network = true,
                                 .kernel_arguments = words,
                                 .kernel = workload_.kernel,
                                 .initrd = workload_.initrd,
                                 .nic_model = workload_.nic,
                                 .video = workload_.video};
  if (!image_path_.empty()) {
    options.disks = {{.path = image_path_,
                      .bus = workload_.bus,
                      .mode = workload_.mode,
                      .reads = workload_.reads}};
  }
  if (IsPrivate(workload_)) {
    options.backup_disks = options.disks;
    options.backup_disks[0].path = backup_image_path_;
  }
  options.tablet = workload_.hands == Hands::kKeyboardAndMice;
  options.serial_input = workload_.hands == Hands::kSerial;
  if (workload_.hands == Hands::kKeyboardAndMice) {
    options.extra_arguments = {"-qmp",
                               "unix:" + qmp_path_ + ",server=on,wait=off"};
  }
  return options;
}

Status Machine::HireOperator(replay::EnginePair& pair, uint64_t seed,
                             std::optional<Operator>* hired) const {
  using replay::Side;
  if (workload_.hands == Hands::kKeyboardAndMice) {
    hired->emplace(Operator::AtKeyboardAndMice(qmp_path_, seed));
  }
  if (workload_.hands == Hands::kSerial) {
    // What is typed before is lost.
    if (!pair.WaitForConsole(Side::kPrimary, "FT-GUEST-LISTENS")) {
      return Status::Failed("the guest does not listen");
    }
    hired->emplace(Operator::AtSerialPort(pair.serial_path(Side::kPrimary),
                                          workload_.rounds, seed));
  }
  if (!*hired || (*hired)->hired()) return Status::Ok();
  return Status::Failed("the engine has no place for an operator");
}

}  // namespace ft::torture
