// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/replay/guest_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "logchannel/scoped_fd.h"

namespace ft::replay {
namespace {

// Where a mapping of exactly `bytes` begins; 0 if there is none. QEMU maps
// a guest's RAM in one piece between guard pages.
uint64_t FindMapping(const std::string& process, uint64_t bytes) {
  std::ifstream maps(process + "/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    uint64_t begin = 0, end = 0;
    char dash = 0;
    words >> std::hex >> begin >> dash >> end;
    if (end - begin == bytes) return begin;
  }
  return 0;
}

}  // namespace

Status FlipGuestBit(pid_t pid, uint32_t memory_mib, uint64_t address) {
  const std::string process = "/proc/" + std::to_string(pid);
  const uint64_t begin = FindMapping(process, uint64_t{memory_mib} << 20);
  if (begin == 0) {
    return Status::Invalid(process + " maps no " + std::to_string(memory_mib) +
                           " MiB of guest RAM");
  }
  const std::string path = process + "/mem";
  ScopedFd memory(open(path.c_str(), O_RDWR | O_CLOEXEC), path);
  const auto at = static_cast<off_t>(begin + address);
  char byte = 0;
  if (pread(memory.get(), &byte, 1, at) != 1) {
    return Status::Failed("cannot read " + path);
  }
  byte ^= 1;
  if (pwrite(memory.get(), &byte, 1, at) != 1) {
    return Status::Failed("cannot write " + path);
  }
  return Status::Ok();
}

}  // namespace ft::replay
