// SPDX-License-Identifier: GPL-2.0-or-later
//
// StampImage: the disk of the guest workload `stamps` (tests/guest/stamps.c),
// seen from the storage host: who wrote last is written in each block, and
// the guest obeys a command that is written there.
//
// Reads and writes the image file itself, behind the back of whoever exports
// it; both go through the page cache of one machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "logchannel/scoped_fd.h"

namespace ft::bed {

class StampImage {
 public:
  static constexpr int kWorkers = 8, kPart = 64;
  static constexpr uint64_t kBytes = uint64_t{4096} * 1024;

  // Makes the file, blank: a guest that sees it rests. BedError.
  explicit StampImage(const std::string& path);

  // The guest's processes write, or rest, soon after.
  void Go() { Command(1); }
  void Rest() { Command(0); }
  // All of them obey the last command. At rest no write is on its way.
  bool Obeyed() const;

  // In which pass each block was written last; 0: never. BedError names a
  // block that nobody can have written like that.
  std::vector<uint64_t> Passes() const;
  // The oldest and the newest of them.
  uint64_t OldestPass() const;
  uint64_t NewestPass() const;

  // All of it.
  std::string Bytes() const;

 private:
  void Command(uint64_t word);
  std::vector<uint64_t> Block(unsigned number) const;

  const std::string path_;
  ScopedFd fd_;
  uint64_t command_ = 0;
};

}  // namespace ft::bed
