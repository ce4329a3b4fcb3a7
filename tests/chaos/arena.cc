// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/arena.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "logchannel/scoped_fd.h"

namespace ft::chaos {
namespace fs = std::filesystem;

using bed::BedError;
using bed::Side;

namespace {

// Small, so that they are full in a moment; a ring has 32 MiB.
constexpr char kStoreBytes[] = "4m", kStateBytes[] = "64m",
               kRingBytes[] = "80m";
constexpr char kFiller[] = "/filler";
constexpr char kFakeTime[] =
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

void Check(bool done, const std::string& what) {
  if (!done) throw BedError(what + ": " + strerror(errno));
}

std::string ClockOf(const bed::Host& host) { return host.dir() + "/clock"; }

// Replaced as a whole: libfaketime may read it at any time.
void WriteClock(const bed::Host& host, int seconds) {
  const std::string path = ClockOf(host), next = path + ".new";
  std::ofstream(next) << (seconds < 0 ? "" : "+") << seconds << "\n";
  fs::rename(next, path);
}

}  // namespace

Arena::Arena(Storage storage) : store_(bed_.dir() + "/store") {
  if (storage == Storage::kDiskService) {
    MountTmpfs(bed_.storage().state_dir(), kStoreBytes);
    disk_.emplace(bed_, bed::DiskKind::kShared);
    disk_->Prepare();
  } else {
    MakeSharedDirectories();
  }
  for (const Side side : {Side::kA, Side::kB}) {
    MountTmpfs(host(side).dir() + "/state", kStateBytes);
    MountTmpfs(host(side).ring_dir(), kRingBytes);
    WriteClock(host(side), 0);
  }
}

void Arena::MakeSharedDirectories() {
  const std::string read_only = store_ + "-read-only";
  fs::create_directories(store_ + "-unmounted");
  fs::create_directories(read_only);
  MountTmpfs(store_, kStoreBytes);
  bed_.ledger().AddMount(read_only);
  constexpr unsigned long kRemount = MS_BIND | MS_REMOUNT | MS_RDONLY;
  Check(mount(store_.c_str(), read_only.c_str(), nullptr, MS_BIND, nullptr) ==
                0 &&
            mount(nullptr, read_only.c_str(), nullptr, kRemount, nullptr) == 0,
        "mount " + read_only);
  for (const Side side : {Side::kA, Side::kB}) {
    SetStore(side, kStoreThere);
    host(side).options().shared_dir = host(side).dir() + "/shared";
  }
}

bed::VmOptions Arena::Vm() {
  return disk_ ? disk_->Vm() : bed::VmOptions();
}

void Arena::StartService() {
  if (!bed_.storage().running()) disk_->StartService();
}

void Arena::MountTmpfs(const std::string& directory, const char* size) {
  fs::create_directories(directory);
  bed_.ledger().AddMount(directory);
  const std::string options = std::string("size=") + size;
  Check(mount("none", directory.c_str(), "tmpfs", 0, options.c_str()) == 0,
        "mount " + directory);
}

void Arena::SetStore(Side side, StoreState state) {
  const std::string link = host(side).dir() + "/shared", next = link + ".new";
  const char* suffixes[] = {"", "-missing", "-unmounted", "-read-only"};
  // Whoever took the empty directory for the store may have written there.
  for (const auto& entry : fs::directory_iterator(store_ + "-unmounted")) {
    fs::remove_all(entry.path());
  }
  fs::remove(next);
  fs::create_symlink(store_ + suffixes[state], next);
  fs::rename(next, link);
}

void Arena::SetFull(const std::string& directory, bool full) {
  const std::string path = directory + kFiller;
  fs::remove(path);
  if (!full) return;
  const ScopedFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600),
                      path);
  Check(file.valid(), path);
  static const std::array<char, 1 << 16> kZeros{};
  for (size_t size = kZeros.size(); size > 0;) {
    const ssize_t n = write(file.get(), kZeros.data(), size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) size /= 16;
  }
}

void Arena::UseSteppedClock(Side side, bool use) {
  auto& environment = host(side).options().environment;
  environment.clear();
  if (!use) return;
  if (!fs::exists(kFakeTime)) {
    throw BedError(std::string(kFakeTime) +
                   " is missing; install the package faketime");
  }
  // Monotonic clocks do not step, on no machine; a file that has changed is
  // noticed after a second.
  environment = {std::string("LD_PRELOAD=") + kFakeTime,
                 "FAKETIME_TIMESTAMP_FILE=" + ClockOf(host(side)),
                 "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"};
}

void Arena::StepClock(Side side, int seconds) {
  WriteClock(host(side), seconds);
}

void Arena::CopyEvidence(const std::string& directory) const {
  fs::create_directories(directory);
  const auto how = fs::copy_options::recursive |
                   fs::copy_options::overwrite_existing |
                   fs::copy_options::copy_symlinks;
  constexpr std::string_view kTooLarge = ".img";
  for (const auto& entry : fs::directory_iterator(bed_.dir())) {
    std::error_code ignored;  // sockets, and what just vanished
    const std::string name = entry.path().filename();
    if (!name.starts_with("host") && name != "storage") {
      fs::copy(entry.path(), directory + "/" + name, how, ignored);
      continue;
    }
    fs::create_directories(directory + "/" + name);
    for (const auto& part : fs::directory_iterator(entry.path())) {
      if (part.path().filename() == "run") continue;
      if (part.path().extension() == kTooLarge) continue;
      fs::copy(part.path(),
               directory + "/" + name + "/" + part.path().filename().string(),
               how, ignored);
    }
  }
}

}  // namespace ft::chaos
