// SPDX-License-Identifier: GPL-2.0-or-later
//
// The log ring: a file that another process writes.
//
//     0        8           16
//     +--------+-----------+----------------+-----------------------+
//     | from   | data size | struct ft_ring | log, from the ring's  |
//     |        | of file   |                | first byte on         |
//     +--------+-----------+----------------+-----------------------+
//
// Promised: Attach() refuses what is no ring of this version, in one line;
// ReadEntries() gives whole entries or one line, whatever positions and lengths
// say; AppendEntries() and Acknowledge() do what they say, or refuse and change
// nothing.
#include "logchannel/log_ring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "logchannel/check.h"
#include "logchannel/engine_ring_for_test.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::logchannel {
namespace {

// A sparse file may be larger than the machine's memory.
constexpr uint64_t kFileBytesMax = 1ull << 40;

// The ring's file and its doorbells, made once.
class Files {
 public:
  Files() : path_(directory_.ring_path("fuzz")) {
    file_ = ScopedFd(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600),
                     path_);
    FT_CHECK(file_.valid());
    for (const std::string& doorbell : DoorbellPaths(path_)) {
      FT_CHECK(mkfifo(doorbell.c_str(), 0600) == 0);
    }
  }
  const std::string& path() const { return path_; }

  void Write(const ft_ring& header, uint64_t data_size, fuzz::Input log) {
    const uint64_t size =
        std::min(data_size, kFileBytesMax) + FT_RING_HEADER_BYTES;
    FT_CHECK(ftruncate(file_.get(), 0) == 0);
    Put(fuzz::Input(reinterpret_cast<const std::byte*>(&header), sizeof header),
        0);
    Put(log, FT_RING_HEADER_BYTES);
    FT_CHECK(ftruncate(file_.get(), static_cast<off_t>(size)) == 0);
  }

 private:
  void Put(fuzz::Input bytes, off_t at) {
    FT_CHECK(pwrite(file_.get(), bytes.data(), bytes.size(), at) ==
             static_cast<ssize_t>(bytes.size()));
  }

  RingDirectoryForTest directory_;
  std::string path_;
  ScopedFd file_;
};

void CheckRead(const LogRing& ring, LogPosition from) {
  static std::vector<std::byte> buffer(kEntryBytesMax);
  const auto bytes = ring.ReadEntries(from, buffer);
  if (!bytes.ok()) return fuzz::ExpectRefusal(bytes.status());
  const auto entries = std::span(buffer).first(*bytes);
  FT_CHECK(entries.size() <= ring.committed() - from) << entries.size();
  const Status valid = ValidateEntries(entries, from);
  FT_CHECK(valid.ok()) << valid.message();
}

// Appended where the ring says that its log ends, or refused and unchanged.
void CheckAppend(LogRing& ring) {
  const LogPosition first = ring.committed();
  std::array<std::byte, 20> entry = {};
  EncodeEntryHeader({.payload_bytes = 16},
                    std::span(entry).first<kEntryHeaderBytes>());
  if (!ValidateEntries(entry, first).ok()) return;
  const size_t free = ring.free_bytes();
  const auto appended = ring.AppendEntries(first, entry);
  if (!appended.ok()) fuzz::ExpectRefusal(appended.status());
  const bool done = appended.ok() && *appended;
  FT_CHECK(!appended.ok() || done == (free >= entry.size())) << free;
  FT_CHECK(ring.committed() == first + (done ? entry.size() : 0));
}

void CheckAcknowledge(LogRing& ring, LogPosition position) {
  const LogPosition before = ring.acknowledged();
  const Status done = ring.Acknowledge(position);
  if (!done.ok()) fuzz::ExpectRefusal(done);
  FT_CHECK(ring.acknowledged() ==
           (done.ok() ? std::max(before, position) : before));
}

void Check(Files& files, uint64_t from) {
  auto attached = LogRing::Attach(files.path());
  if (!attached.ok()) return fuzz::ExpectRefusal(attached.status());
  LogRing& ring = **attached;
  FT_CHECK(ring.engine_build().size() <= sizeof ft_ring::engine_build);
  FT_CHECK(ring.direction() == Direction::kRecord ||
           ring.direction() == Direction::kReplay);
  CheckRead(ring, from);
  CheckRead(ring, ring.committed());
  FT_CHECK(ring.CheckHeader(ring.direction()).ok());
  CheckAppend(ring);
  CheckAcknowledge(ring, from);
}

}  // namespace

FT_FUZZ_TARGET(ring, input) {
  static Files files;
  uint64_t words[2];
  ft_ring header;
  if (input.size() < sizeof words + sizeof header) return;
  std::memcpy(words, input.data(), sizeof words);
  std::memcpy(&header, input.data() + sizeof words, sizeof header);
  const auto log = input.subspan(sizeof words + sizeof header);
  files.Write(header, words[1], log);
  Check(files, words[0]);
  // The same as a ring of today, of the file's size.
  header.magic = FT_RING_MAGIC;
  header.version = FT_RING_VERSION;
  header.data_size = 4096u << header.reserved0 % 5;
  header.direction = 1 + header.direction % 2;
  files.Write(header, header.data_size, log);
  Check(files, words[0]);
}

}  // namespace ft::logchannel
