// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/engine_ring_for_test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <utility>

#include "logchannel/check.h"

namespace ft::logchannel {
namespace {

ScopedFd CreateDoorbell(const std::string& path) {
  FT_CHECK(mkfifo(path.c_str(), 0600) == 0) << path << strerror(errno);
  ScopedFd fd(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC), path);
  FT_CHECK(fd.valid()) << path << strerror(errno);
  return fd;
}

ft_ring* CreateRing(const EngineRingForTest::Options& options) {
  FT_CHECK(std::has_single_bit(options.data_size)) << options.data_size;
  ScopedFd file(
      open(options.path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  FT_CHECK(file.valid()) << options.path << strerror(errno);
  const size_t bytes = FT_RING_HEADER_BYTES + options.data_size;
  FT_CHECK(ftruncate(file.get(), bytes) == 0) << strerror(errno);
  void* start =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  FT_CHECK(start != MAP_FAILED) << strerror(errno);
  auto* ring = static_cast<ft_ring*>(start);
  ring->magic = FT_RING_MAGIC;
  ring->version = FT_RING_VERSION;
  ring->data_size = options.data_size;
  options.engine_build.copy(ring->engine_build, sizeof ring->engine_build - 1);
  ring->engine_pid = getpid();
  ring->direction = static_cast<uint32_t>(options.direction);
  ring->log_mode = static_cast<uint32_t>(options.log_mode);
  ring->committed = ring->consumed = options.position;
  ring->acknowledged = options.position;
  ring->lease_until = UINT64_MAX;
  ring->replayed_wanted = UINT64_MAX;
  return ring;
}

template <typename T>
T Load(const T& word) {
  return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
}

template <typename T>
void Store(T& word, T value) {
  __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

}  // namespace

std::unique_ptr<EngineRingForTest> EngineRingForTest::Create(
    const Options& options) {
  auto to_ftd = CreateDoorbell(ToFtdPath(options.path));
  auto to_engine = CreateDoorbell(ToEnginePath(options.path));
  auto to_storage = CreateDoorbell(ToStoragePath(options.path));
  return std::unique_ptr<EngineRingForTest>(
      new EngineRingForTest(options, CreateRing(options), std::move(to_ftd),
                            std::move(to_engine), std::move(to_storage)));
}

EngineRingForTest::EngineRingForTest(Options options, ft_ring* ring,
                                     ScopedFd to_ftd, ScopedFd to_engine,
                                     ScopedFd to_storage)
    : options_(std::move(options)),
      ring_(ring),
      to_ftd_(std::move(to_ftd)),
      to_engine_(std::move(to_engine)),
      to_storage_(std::move(to_storage)) {}

EngineRingForTest::~EngineRingForTest() {
  munmap(ring_, FT_RING_HEADER_BYTES + options_.data_size);
  unlink(options_.path.c_str());
  for (const std::string& doorbell : DoorbellPaths(options_.path)) {
    unlink(doorbell.c_str());
  }
}

std::byte& EngineRingForTest::data(LogPosition position) {
  auto* start = reinterpret_cast<std::byte*>(ring_) + FT_RING_HEADER_BYTES;
  return start[position & (options_.data_size - 1)];
}

bool EngineRingForTest::Commit(std::span<const std::byte> payload) {
  const LogPosition committed = Load(ring_->committed);
  const EntryHeader header{.payload_bytes =
                               static_cast<uint32_t>(payload.size())};
  if (committed + header.entry_bytes() - Load(ring_->acknowledged) >
      options_.data_size) {
    return false;
  }
  std::array<std::byte, kEntryHeaderBytes> word;
  EncodeEntryHeader(header, word);
  LogPosition at = committed;
  for (std::byte byte : word) data(at++) = byte;
  for (std::byte byte : payload) data(at++) = byte;
  Store(ring_->committed, at);
  if (Load(ring_->log_mode) == FT_LOG_DISCARD) Store(ring_->acknowledged, at);
  RingFtd();
  return true;
}

bool EngineRingForTest::CommitRandom(uint64_t seed, size_t bytes) {
  return Commit(PayloadForTest(seed, bytes));
}

std::optional<std::vector<std::byte>> EngineRingForTest::Consume() {
  LogPosition at = Load(ring_->consumed);
  if (at == Load(ring_->committed)) return std::nullopt;
  std::array<std::byte, kEntryHeaderBytes> word;
  for (std::byte& byte : word) byte = data(at++);
  const auto header = DecodeEntryHeader(word);
  FT_CHECK(header.ok()) << header.status().message();
  std::vector<std::byte> payload(header->payload_bytes);
  for (std::byte& byte : payload) byte = data(at++);
  FT_CHECK(at <= Load(ring_->committed)) << at;
  Store(ring_->consumed, at);
  RingFtd();
  return payload;
}

void EngineRingForTest::set_direction(Direction direction) {
  Store(ring_->direction, static_cast<uint32_t>(direction));
}

void EngineRingForTest::set_log_mode(LogMode mode) {
  Store(ring_->log_mode, static_cast<uint32_t>(mode));
}

void EngineRingForTest::set_holding(bool holding) {
  Store<uint32_t>(ring_->holding, holding);
}

void EngineRingForTest::set_released(LogPosition position) {
  Store(ring_->released, position);
}

void EngineRingForTest::PrepareToSleep() { Store(ring_->engine_sleeping, 1u); }

bool EngineRingForTest::PollDoorbell(int timeout_ms) {
  pollfd waited{.fd = to_engine_.get(), .events = POLLIN, .revents = 0};
  return poll(&waited, 1, timeout_ms) == 1;
}

void EngineRingForTest::ClearDoorbell() {
  std::array<char, 64> bytes;
  while (read(to_engine_.get(), bytes.data(), bytes.size()) > 0) {
  }
  Store(ring_->engine_sleeping, 0u);
}

void EngineRingForTest::RingFtd() {
  if (Load(ring_->ftd_sleeping) == 0) return;
  if (__atomic_exchange_n(&ring_->ftd_sleeping, 0u, __ATOMIC_SEQ_CST) == 0) {
    return;
  }
  const char byte = 0;
  FT_CHECK(write(to_ftd_.get(), &byte, 1) == 1 || errno == EAGAIN)
      << strerror(errno);
}

RingDirectoryForTest::RingDirectoryForTest()
    : path_("/dev/shm/lockstep-ring." + std::string(6, 'X')) {
  FT_CHECK(mkdtemp(path_.data()) != nullptr) << strerror(errno);
}

RingDirectoryForTest::~RingDirectoryForTest() {
  std::filesystem::remove_all(path_);
}

std::string RingDirectoryForTest::ring_path(const std::string& vm) const {
  return path_ + "/" + vm + ".ring";
}

std::vector<std::byte> PayloadForTest(uint64_t seed, size_t bytes) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> payload(bytes);
  for (std::byte& byte : payload) byte = static_cast<std::byte>(random());
  return payload;
}

}  // namespace ft::logchannel
