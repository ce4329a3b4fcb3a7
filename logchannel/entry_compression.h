// SPDX-License-Identifier: GPL-2.0-or-later
//
// EntryCompressor and EntryDecompressor: zstd for the log on its way. One of
// each per connection, for the one direction in which log flows.
//
//     entries --Compress--> payload of an Entries frame --Decompress--> entries
//              (flushed)     Entries.size, Entries.crc
//
// Both ends of a connection keep one zstd stream. It is flushed at each
// frame, so a frame can be used as soon as it is there, and what frames have
// in common (the same devices, the same packets' headers) is found in those
// before: a frame of 60 bytes alone would not shrink. So a frame that was
// compressed has to be sent, whatever became of its size, and frames are
// decompressed in order; one that is lost, damaged or from another stream
// ends the connection, as every broken frame does.
//
// Frames that were not worth it go as they are (Entries.size == 0) and are
// no part of the stream.
//
// Sans io; used from one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "logchannel/status.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace ft::logchannel {

// The name in Hello and HelloReply.
inline constexpr char kZstd[] = "zstd";

// What a stream may look back to. 256 KiB are some thousand frames of an idle
// guest; it bounds the memory of both ends to about a megabyte.
inline constexpr int kCompressionWindowLog = 18;

class EntryCompressor {
 public:
  // Frames from here on are bulk: what a guest receives or reads. They shrink
  // well or not at all.
  static constexpr size_t kBulkBytes = 1024;
  // So many bulk frames are sent as they are after one that did not shrink by
  // an eighth; twice as many after the next, at most kSkipMax.
  static constexpr int kSkipFirst = 4;
  static constexpr int kSkipMax = 64;

  EntryCompressor();
  ~EntryCompressor();
  EntryCompressor(const EntryCompressor&) = delete;
  EntryCompressor& operator=(const EntryCompressor&) = delete;

  // False: send the next frame, of `bytes`, as it is: it is too small to gain
  // anything, or bulk that is left alone for now. Call it once for each.
  bool Wanted(size_t bytes);
  // The next piece of the stream. Valid until the next call.
  std::span<const std::byte> Compress(std::span<const std::byte> entries);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* stream) const;
  };
  void Judge(size_t before, size_t after);

  const std::unique_ptr<ZSTD_CCtx_s, Free> stream_;
  std::vector<std::byte> out_;
  int skip_ = 0;       // so many bulk frames go as they are
  int next_skip_ = 0;  // see kSkipFirst; 0 after one that shrank
};

class EntryDecompressor {
 public:
  EntryDecompressor();
  ~EntryDecompressor();
  EntryDecompressor(const EntryDecompressor&) = delete;
  EntryDecompressor& operator=(const EntryDecompressor&) = delete;

  // The `size` bytes that `piece` stands for, valid until the next call.
  // Invalid, now and for ever after, when it is damaged, stands for another
  // number of bytes (no more than `size` are ever written), would need a
  // larger window, or has another CRC32C than `crc`. For any bytes from
  // anybody.
  Result<std::span<const std::byte>> Decompress(
      std::span<const std::byte> piece, uint32_t size, uint32_t crc);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* stream) const;
  };
  Status Fill(std::span<const std::byte> piece, uint32_t size);

  const std::unique_ptr<ZSTD_DCtx_s, Free> stream_;
  std::vector<std::byte> out_;
  Status broken_;
};

}  // namespace ft::logchannel
