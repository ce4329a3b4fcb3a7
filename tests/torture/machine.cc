// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/machine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "logchannel/scoped_fd.h"
#include "tests/replay/test_paths.h"

namespace ft::torture {
namespace {

// disk.c uses 24 MiB.
constexpr off_t kBlankBytes = 64 << 20;

Status Failed(const std::string& path) {
  return Status::Failed(path + ": " + std::strerror(errno));
}

// Copies [begin, end); both files at the same place.
bool CopyPart(int from, int to, off_t begin, off_t end) {
  off_t write_at = begin;
  while (begin < end) {
    const auto size = static_cast<size_t>(end - begin);
    if (copy_file_range(from, &begin, to, &write_at, size, 0) <= 0) {
      return false;
    }
  }
  return true;
}

// Only what is there: of four gigabytes a sixth.
Status CopySparse(const std::string& source, int to, const std::string& path) {
  const ScopedFd from(open(source.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info = {};
  if (from.get() < 0 || fstat(from.get(), &info) != 0) {
    return Status::Unavailable("there is no Debian image " + source,
                               "make it with tests/guest/build_debian.sh");
  }
  if (ftruncate(to, info.st_size) != 0) return Failed(path);
  for (off_t end = 0;;) {
    const off_t begin = lseek(from.get(), end, SEEK_DATA);
    if (begin < 0) return errno == ENXIO ? Status::Ok() : Failed(source);
    end = lseek(from.get(), begin, SEEK_HOLE);
    if (!CopyPart(from.get(), to, begin, end)) return Failed(path);
  }
}

}  // namespace

Machine::Machine(const Workload& workload) : workload_(workload) {
  const auto parent = std::filesystem::temp_directory_path();
  directory_ = parent / ("lockstep-machine." + std::string(6, 'X'));
  if (mkdtemp(directory_.data()) == nullptr) directory_.clear();
  qmp_path_ = directory_ + "/operator.qmp";
  if (workload_.image != Image::kNoDisk) image_path_ = directory_ + "/disk.img";
}

Machine::~Machine() {
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Status Machine::MakeImage() const {
  if (image_path_.empty()) return Status::Ok();
  const ScopedFd image(
      open(image_path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (image.get() < 0) return Failed(image_path_);
  if (workload_.image == Image::kDebian) {
    return CopySparse(replay::DebianImage(), image.get(), image_path_);
  }
  if (ftruncate(image.get(), kBlankBytes) == 0) return Status::Ok();
  return Failed(image_path_);
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
    options.disks = {{.path = image_path_, .bus = workload_.bus}};
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
