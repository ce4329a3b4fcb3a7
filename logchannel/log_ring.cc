// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/log_ring.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "logchannel/check.h"
#include "logchannel/frame.h"

namespace ft::logchannel {
namespace {

constexpr uint64_t kDataBytesMin = 4096;

// An Entries frame always fits an empty ring, so a peer cannot send one that
// AppendEntries could never take.
static_assert(kFramePayloadBytesMax <= FT_RING_DATA_BYTES_DEFAULT);

template <typename T>
T Load(const T& word) {
  return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
}

template <typename T>
void Store(T& word, T value) {
  __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

Result<ScopedFd> OpenForBoth(const std::string& path, int flags) {
  ScopedFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC | flags), path);
  if (!fd.valid()) {
    return Status::Unavailable("log ring " + path + ": " +
                               std::strerror(errno));
  }
  return fd;
}

Result<ScopedFd> OpenDoorbell(const std::string& path) {
  auto fd = OpenForBoth(path, O_NONBLOCK);
  if (!fd.ok()) return fd;
  struct stat info;
  if (fstat(fd->get(), &info) != 0 || !S_ISFIFO(info.st_mode)) {
    return Status::Invalid("log ring doorbell " + path + " is not a FIFO");
  }
  return fd;
}

// The header as read from the file, before anything is mapped.
Status CheckHeader(const std::string& path, const ft_ring& header,
                   uint64_t file_bytes) {
  const std::string subject = "log ring " + path;
  if (header.magic != FT_RING_MAGIC) {
    return Status::Invalid(subject + " is not a log ring");
  }
  if (header.version != FT_RING_VERSION) {
    return Status::Invalid(
        subject + " has version " + std::to_string(header.version) +
            ", this ftd has version " + std::to_string(FT_RING_VERSION),
        "install engine and ftd of the same release");
  }
  if (!std::has_single_bit(header.data_size) ||
      header.data_size < kDataBytesMin ||
      file_bytes - FT_RING_HEADER_BYTES != header.data_size) {
    return Status::Invalid(
        subject + " says it holds " + std::to_string(header.data_size) +
        " bytes of log, the file has " + std::to_string(file_bytes));
  }
  if (header.direction != FT_RING_RECORD &&
      header.direction != FT_RING_REPLAY) {
    return Status::Invalid(subject + " has unknown direction " +
                           std::to_string(header.direction));
  }
  return Status::Ok();
}

Status ReadAndCheckHeader(const ScopedFd& file) {
  struct stat info;
  if (fstat(file.get(), &info) != 0) {
    return Status::Unavailable("log ring " + file.path() + ": " +
                               std::strerror(errno));
  }
  ft_ring header;
  if (!S_ISREG(info.st_mode) || info.st_size < FT_RING_HEADER_BYTES ||
      pread(file.get(), &header, sizeof header, 0) != sizeof header) {
    return Status::Invalid("log ring " + file.path() + " is not a log ring");
  }
  return CheckHeader(file.path(), header, info.st_size);
}

}  // namespace

std::string ToFtdPath(const std::string& ring_path) {
  return ring_path + ".to-ftd";
}

std::string ToEnginePath(const std::string& ring_path) {
  return ring_path + ".to-engine";
}

std::string ToStoragePath(const std::string& ring_path) {
  return ring_path + ".to-storage";
}

std::array<std::string, 3> DoorbellPaths(const std::string& ring_path) {
  return {ToFtdPath(ring_path), ToEnginePath(ring_path),
          ToStoragePath(ring_path)};
}

Result<std::unique_ptr<LogRing>> LogRing::Attach(const std::string& path) {
  auto file = OpenForBoth(path, 0);
  if (!file.ok()) return file.status();
  if (auto checked = ReadAndCheckHeader(*file); !checked.ok()) return checked;
  auto to_ftd = OpenDoorbell(ToFtdPath(path));
  if (!to_ftd.ok()) return to_ftd.status();
  auto to_engine = OpenDoorbell(ToEnginePath(path));
  if (!to_engine.ok()) return to_engine.status();
  auto to_storage = OpenDoorbell(ToStoragePath(path));
  if (!to_storage.ok()) return to_storage.status();

  struct stat info;
  FT_CHECK(fstat(file->get(), &info) == 0) << path;
  void* start = mmap(nullptr, info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     file->get(), 0);
  if (start == MAP_FAILED) {
    return Status::Unavailable("log ring " + path + ": cannot map " +
                               std::to_string(info.st_size) +
                               " bytes: " + std::strerror(errno));
  }
  return std::unique_ptr<LogRing>(new LogRing(
      path, static_cast<ft_ring*>(start), info.st_size - FT_RING_HEADER_BYTES,
      std::move(*to_ftd), std::move(*to_engine), std::move(*to_storage)));
}

LogRing::LogRing(std::string path, ft_ring* ring, uint64_t data_size,
                 ScopedFd to_ftd, ScopedFd to_engine, ScopedFd to_storage)
    : path_(std::move(path)),
      ring_(ring),
      data_(reinterpret_cast<std::byte*>(ring) + FT_RING_HEADER_BYTES),
      data_size_(data_size),
      to_ftd_(std::move(to_ftd)),
      to_engine_(std::move(to_engine)),
      to_storage_(std::move(to_storage)) {}

LogRing::~LogRing() { munmap(ring_, FT_RING_HEADER_BYTES + data_size_); }

std::string LogRing::engine_build() const {
  return {ring_->engine_build,
          strnlen(ring_->engine_build, sizeof ring_->engine_build)};
}

pid_t LogRing::engine_pid() const { return Load(ring_->engine_pid); }

Direction LogRing::direction() const {
  return static_cast<Direction>(Load(ring_->direction));
}

LogMode LogRing::log_mode() const {
  return static_cast<LogMode>(Load(ring_->log_mode));
}

bool LogRing::holding() const { return Load(ring_->holding) != 0; }

LogPosition LogRing::committed() const { return Load(ring_->committed); }

LogPosition LogRing::consumed() const { return Load(ring_->consumed); }

LogPosition LogRing::acknowledged() const { return Load(ring_->acknowledged); }

LogPosition LogRing::released() const { return Load(ring_->released); }

LogPosition LogRing::peer_released() const {
  return Load(ring_->peer_released);
}

LogPosition LogRing::replayed() const { return Load(ring_->replayed); }

uint64_t LogRing::owner_beat() const { return Load(ring_->owner_beat); }

size_t LogRing::free_bytes() const {
  const LogPosition consumed = this->consumed();
  const LogPosition committed = this->committed();
  if (committed - consumed > data_size_) return data_size_;
  return data_size_ - (committed - consumed);
}

Status LogRing::Damaged(const std::string& what) const {
  return Status::Invalid("log ring " + path_ + " is damaged: " + what);
}

Status LogRing::CheckHeader(Direction expected) const {
  struct Word {
    const char* name;
    uint64_t found, expected;
  };
  for (const Word& word :
       {Word{"magic", Load(ring_->magic), FT_RING_MAGIC},
        Word{"version", Load(ring_->version), FT_RING_VERSION},
        Word{"data_size", Load(ring_->data_size), data_size_},
        Word{"direction", Load(ring_->direction),
             static_cast<uint32_t>(expected)}}) {
    if (word.found == word.expected) continue;
    return Damaged(word.name + (" " + std::to_string(word.found)) +
                   ", expected " + std::to_string(word.expected));
  }
  return Status::Ok();
}

// Judged is the copy: what lies in the ring may change at any moment.
Result<size_t> LogRing::ReadEntries(LogPosition from,
                                    std::span<std::byte> out) const {
  FT_CHECK(out.size() >= kEntryBytesMax) << "room for " << out.size();
  const LogPosition acknowledged = this->acknowledged();
  const LogPosition committed = this->committed();
  if (acknowledged > from || from > committed ||
      committed - from > data_size_) {
    return Damaged("read from " + std::to_string(from) + ", acknowledged " +
                   std::to_string(acknowledged) + ", committed " +
                   std::to_string(committed));
  }
  const size_t bytes = std::min<uint64_t>(committed - from, out.size());
  CopyOut(from, out.first(bytes));
  return WholeEntries(out.first(bytes), from, committed);
}

Result<size_t> LogRing::WholeEntries(std::span<const std::byte> bytes,
                                     LogPosition from,
                                     LogPosition committed) const {
  size_t total = 0;
  const auto damaged = [&](const std::string& what, bool cut) {
    const std::string past =
        cut ? " reaches past committed " + std::to_string(committed) : "";
    return Damaged(what + " at position " + std::to_string(from + total) +
                   past);
  };
  while (total < bytes.size()) {
    const std::span<const std::byte> rest = bytes.subspan(total);
    const uint64_t left = committed - from - total;
    if (left < kEntryHeaderBytes) return damaged("entry header", true);
    if (rest.size() < kEntryHeaderBytes) break;
    const auto header = DecodeEntryHeader(rest.first<kEntryHeaderBytes>());
    if (!header.ok()) return damaged(header.status().message(), false);
    const size_t size = header->entry_bytes();
    if (size > left) {
      return damaged("entry of " + std::to_string(size) + " bytes", true);
    }
    if (size > rest.size()) break;
    total += size;
  }
  return total;
}

Status LogRing::Acknowledge(LogPosition position) {
  const auto direction = static_cast<uint32_t>(this->direction());
  if (direction != FT_RING_RECORD) {
    return Damaged("direction " + std::to_string(direction) + ", expected " +
                   std::to_string(FT_RING_RECORD));
  }
  const LogPosition committed = this->committed();
  if (position > committed) {
    return Damaged("acknowledge " + std::to_string(position) + ", committed " +
                   std::to_string(committed));
  }
  if (position <= acknowledged()) return Status::Ok();
  Store(ring_->acknowledged, position);
  WakeEngine();
  return Status::Ok();
}

void LogRing::SetReplayed(LogPosition position) {
  if (position <= replayed()) return;
  Store(ring_->replayed, position);
  if (position >= Load(ring_->replayed_wanted)) RingEngine();
}

void LogRing::SetLease(uint64_t until_ns) {
  Store(ring_->lease_until, until_ns);
}

uint64_t LogRing::lease_until() const { return Load(ring_->lease_until); }

void LogRing::SetPace(uint32_t permille) {
  FT_CHECK(permille <= FT_RING_PACE_MAX) << path_ << ": pace " << permille;
  Store(ring_->pace, permille);
}

void LogRing::SetDenseDigests(bool dense) {
  const uint32_t digests = dense ? FT_DIGESTS_DENSE : FT_DIGESTS_STEADY;
  Store(ring_->digests, digests);
}

Result<bool> LogRing::AppendEntries(LogPosition first,
                                    std::span<const std::byte> entries) {
  FT_CHECK(entries.size() <= data_size_)
      << path_ << ": " << entries.size() << " bytes can never fit";
  const Status valid = ValidateEntries(entries, first);
  FT_CHECK(valid.ok()) << path_ << ": " << valid.message();
  const auto direction = static_cast<uint32_t>(this->direction());
  const LogPosition consumed = this->consumed();
  const LogPosition committed = this->committed();
  if (direction != FT_RING_REPLAY || first != committed ||
      committed - consumed > data_size_) {
    return Damaged("append at " + std::to_string(first) + ", committed " +
                   std::to_string(committed) + ", consumed " +
                   std::to_string(consumed) + ", direction " +
                   std::to_string(direction));
  }
  if (entries.size() > data_size_ - (committed - consumed)) return false;
  if (entries.empty()) return true;
  CopyIn(first, entries);
  Store(ring_->committed, first + entries.size());
  RingEngine();
  return true;
}

void LogRing::SetPeerReleased(LogPosition position) {
  if (position > peer_released()) Store(ring_->peer_released, position);
}

void LogRing::Beat() {
  __atomic_fetch_add(&ring_->owner_beat, 1, __ATOMIC_SEQ_CST);
}

void LogRing::PrepareToSleep() { Store(ring_->ftd_sleeping, 1u); }

void LogRing::CancelSleep() { Store(ring_->ftd_sleeping, 0u); }

void LogRing::WakeEngine() {
  RingEngine();
  Ring(ring_->storage_sleeping, to_storage_);
}

void LogRing::RingEngine() { Ring(ring_->engine_sleeping, to_engine_); }

void LogRing::Ring(uint32_t& sleeping, const ScopedFd& doorbell) {
  if (Load(sleeping) == 0) return;
  if (__atomic_exchange_n(&sleeping, 0u, __ATOMIC_SEQ_CST) == 0) return;
  const char byte = 0;
  // A full FIFO is as readable as one more byte would make it.
  const ssize_t written = write(doorbell.get(), &byte, 1);
  FT_CHECK(written == 1 || errno == EAGAIN)
      << doorbell.path() << ": " << std::strerror(errno);
}

void LogRing::CopyOut(LogPosition from, std::span<std::byte> out) const {
  const size_t start = from & (data_size_ - 1);
  const size_t before_wrap = std::min<size_t>(out.size(), data_size_ - start);
  std::memcpy(out.data(), data_ + start, before_wrap);
  std::memcpy(out.data() + before_wrap, data_, out.size() - before_wrap);
}

void LogRing::CopyIn(LogPosition to, std::span<const std::byte> bytes) {
  const size_t start = to & (data_size_ - 1);
  const size_t before_wrap = std::min<size_t>(bytes.size(), data_size_ - start);
  std::memcpy(data_ + start, bytes.data(), before_wrap);
  std::memcpy(data_, bytes.data() + before_wrap, bytes.size() - before_wrap);
}

}  // namespace ft::logchannel
