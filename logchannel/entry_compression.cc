// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/entry_compression.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <string>

#include "logchannel/check.h"
#include "logchannel/crc32c.h"
#include "logchannel/frame.h"

namespace ft::logchannel {
namespace {

// The fastest of the ordinary levels; docs/log-channel.md has the figures.
constexpr int kLevel = 1;
// Below this nothing is saved: size, crc and zstd's own head are 11 bytes.
constexpr size_t kBytesMin = 32;

size_t Must(size_t result) {
  FT_CHECK(!ZSTD_isError(result)) << "zstd: " << ZSTD_getErrorName(result);
  return result;
}

}  // namespace

void EntryCompressor::Free::operator()(ZSTD_CCtx* stream) const {
  ZSTD_freeCCtx(stream);
}

EntryCompressor::EntryCompressor() : stream_(ZSTD_createCCtx()) {
  FT_CHECK(stream_ != nullptr) << "zstd: out of memory";
  Must(ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_compressionLevel, kLevel));
  Must(ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_windowLog,
                              kCompressionWindowLog));
  // Our CRC32C is one already.
  Must(ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_checksumFlag, 0));
}

EntryCompressor::~EntryCompressor() = default;

bool EntryCompressor::Wanted(size_t bytes) {
  if (bytes < kBytesMin) return false;
  if (bytes < kBulkBytes || skip_ == 0) return true;
  --skip_;
  return false;
}

std::span<const std::byte> EntryCompressor::Compress(
    std::span<const std::byte> entries) {
  ZSTD_inBuffer in = {entries.data(), entries.size(), 0};
  size_t size = 0;
  for (size_t left = 1; left > 0;) {
    const size_t room = ZSTD_compressBound(entries.size() - in.pos) + 64;
    if (out_.size() < size + room) out_.resize(size + room);
    ZSTD_outBuffer out = {out_.data(), out_.size(), size};
    left = Must(ZSTD_compressStream2(stream_.get(), &out, &in, ZSTD_e_flush));
    size = out.pos;
  }
  FT_CHECK(in.pos == entries.size()) << in.pos << " of " << entries.size();
  Judge(entries.size(), size);
  return std::span(out_).first(size);
}

void EntryCompressor::Judge(size_t before, size_t after) {
  if (before < kBulkBytes) return;
  if (after <= before - before / 8) {
    next_skip_ = 0;
    return;
  }
  next_skip_ =
      next_skip_ == 0 ? kSkipFirst : std::min(2 * next_skip_, kSkipMax);
  skip_ = next_skip_;
}

void EntryDecompressor::Free::operator()(ZSTD_DCtx* stream) const {
  ZSTD_freeDCtx(stream);
}

EntryDecompressor::EntryDecompressor() : stream_(ZSTD_createDCtx()) {
  FT_CHECK(stream_ != nullptr) << "zstd: out of memory";
  Must(ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax,
                              kCompressionWindowLog));
}

EntryDecompressor::~EntryDecompressor() = default;

Result<std::span<const std::byte>> EntryDecompressor::Decompress(
    std::span<const std::byte> piece, uint32_t size, uint32_t crc) {
  if (!broken_.ok()) return broken_;
  broken_ = Fill(piece, size);
  if (!broken_.ok()) return broken_;
  const auto whole = std::span<const std::byte>(out_).first(size);
  if (Crc32c(whole) == crc) return whole;
  broken_ = Status::Invalid("compressed log of " + std::to_string(size) +
                            " bytes is damaged (CRC32C differs)");
  return broken_;
}

Status EntryDecompressor::Fill(std::span<const std::byte> piece,
                               uint32_t size) {
  if (size > kFramePayloadBytesMax) {
    return Status::Invalid("compressed log of " + std::to_string(size) +
                           " bytes, limit " +
                           std::to_string(kFramePayloadBytesMax));
  }
  const std::string what = "compressed log of " + std::to_string(size) +
                           " bytes, " + std::to_string(piece.size()) +
                           " on the wire, ";
  if (out_.size() < size) out_.resize(size);
  ZSTD_inBuffer in = {piece.data(), piece.size(), 0};
  ZSTD_outBuffer out = {out_.data(), size, 0};
  // One byte of room beyond `size`: who fills it says more than was said.
  std::array<std::byte, 1> excess;
  ZSTD_outBuffer rest = {excess.data(), excess.size(), 0};
  for (;;) {
    ZSTD_outBuffer& to = out.pos < out.size ? out : rest;
    const size_t taken = in.pos, written = to.pos;
    const size_t left = ZSTD_decompressStream(stream_.get(), &to, &in);
    if (ZSTD_isError(left)) {
      return Status::Invalid(what + "is damaged: " + ZSTD_getErrorName(left));
    }
    if (rest.pos > 0) return Status::Invalid(what + "is longer than that");
    if (in.pos == taken && to.pos == written) break;
  }
  if (in.pos < in.size) return Status::Invalid(what + "does not end there");
  if (out.pos < size) {
    return Status::Invalid(what + "ends at " + std::to_string(out.pos));
  }
  return Status::Ok();
}

}  // namespace ft::logchannel
