// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/entry_compression.h"

#include <gmock/gmock.h>
#include <zstd.h>

#include <cstring>
#include <random>

#include "logchannel/crc32c.h"
#include "logchannel/frame.h"

namespace ft::logchannel {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

Bytes Copy(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

Bytes Noise(uint64_t seed, size_t bytes) {
  std::mt19937_64 random(seed);
  Bytes noise(bytes);
  for (std::byte& byte : noise) byte = static_cast<std::byte>(random());
  return noise;
}

// What an idle guest's log looks like: the same few events, other numbers.
Bytes Events(uint64_t seed, size_t bytes) {
  Bytes events = Noise(seed, bytes);
  for (size_t i = 0; i < bytes; ++i) {
    if (i % 7 != 0) events[i] = static_cast<std::byte>(i % 23);
  }
  return events;
}

class EntryCompressionTest : public ::testing::Test {
 protected:
  // Through both, and back as it was; how many bytes it took.
  size_t Pass(const Bytes& entries) {
    const auto piece = compressor_.Compress(entries);
    const auto whole =
        decompressor_.Decompress(piece, entries.size(), Crc32c(entries));
    EXPECT_TRUE(whole.ok()) << whole.status().message();
    if (whole.ok()) {
      EXPECT_EQ(Copy(*whole), entries);
    }
    return piece.size();
  }
  std::string Refusal(std::span<const std::byte> piece, const Bytes& entries,
                      size_t size) {
    const auto whole = decompressor_.Decompress(piece, size, Crc32c(entries));
    EXPECT_FALSE(whole.ok());
    return whole.status().message();
  }

  EntryCompressor compressor_;
  EntryDecompressor decompressor_;
};

TEST_F(EntryCompressionTest, EveryFrameIsUsableAtOnce) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Pass(Events(seed, 1 + seed * seed % 9000));
    Pass(Noise(seed, 1 + seed * 37 % 5000));
  }
  Pass(Events(1, kFramePayloadBytesMax));
  Pass(Noise(1, kFramePayloadBytesMax));
  Pass(Events(2, 1));
}

// Why there is one stream and not a frame of its own each time.
TEST_F(EntryCompressionTest, SmallFramesShrinkByWhatWasBefore) {
  for (uint64_t seed = 0; seed < 50; ++seed) Pass(Events(seed, 70));
  EXPECT_LT(Pass(Events(99, 70)), 50u);
  EntryCompressor alone;
  EXPECT_GT(alone.Compress(Events(99, 70)).size(), 60u);
}

TEST_F(EntryCompressionTest, FramesTooSmallToGainAreLeftAlone) {
  EXPECT_FALSE(compressor_.Wanted(0));
  EXPECT_FALSE(compressor_.Wanted(31));
  EXPECT_TRUE(compressor_.Wanted(32));
}

TEST_F(EntryCompressionTest, BulkThatDoesNotShrinkIsLeftAlone) {
  const size_t bulk = 100'000;
  int compressed = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(compressor_.Wanted(100)) << "small frames always go through";
    if (!compressor_.Wanted(bulk)) continue;
    ++compressed;
    Pass(Noise(i, bulk));
  }
  EXPECT_LT(compressed, 30);
  EXPECT_GT(compressed, 10) << "it is tried again";
}

TEST_F(EntryCompressionTest, BulkThatShrinksAgainIsNoticed) {
  for (int i = 0; i < 1000; ++i) {
    if (compressor_.Wanted(10'000)) Pass(Noise(i, 10'000));
  }
  int left_alone = 0;
  for (int i = 0; i < 1000; ++i) {
    if (compressor_.Wanted(10'000)) {
      Pass(Events(i, 10'000));
    } else {
      ++left_alone;
    }
  }
  EXPECT_LE(left_alone, EntryCompressor::kSkipMax);
}

// --- What a peer may send instead.

TEST_F(EntryCompressionTest, MoreThanWasSaidIsRefusedAndNotWritten) {
  const Bytes zeros(kFramePayloadBytesMax);
  const Bytes piece = Copy(compressor_.Compress(zeros));
  EXPECT_LT(piece.size(), 2000u);
  EXPECT_THAT(Refusal(piece, zeros, 100), HasSubstr("is longer than that"));
}

TEST_F(EntryCompressionTest, LessThanWasSaidIsRefused) {
  const Bytes entries = Events(1, 500);
  EXPECT_THAT(Refusal(compressor_.Compress(entries), entries, 501),
              HasSubstr("ends at 500"));
}

TEST_F(EntryCompressionTest, MoreThanAnyFrameIsRefused) {
  EXPECT_THAT(Refusal({}, {}, kFramePayloadBytesMax + 1),
              HasSubstr("limit 8388608"));
}

TEST_F(EntryCompressionTest, OnceBrokenIsBrokenForEver) {
  const Bytes entries = Events(1, 500);
  const Bytes piece = Copy(compressor_.Compress(entries));
  const std::string first = Refusal(piece, entries, 7);
  EXPECT_EQ(Refusal(compressor_.Compress(entries), entries, 500), first);
}

TEST_F(EntryCompressionTest, LostFrameIsNoticed) {
  Pass(Events(1, 500));
  (void)compressor_.Compress(Events(2, 500));
  // What looks back to the lost one gets other bytes there, or none.
  const Bytes entries = Events(2, 500);
  Refusal(compressor_.Compress(entries), entries, 500);
}

// A sender that began anew in the middle of a connection.
TEST_F(EntryCompressionTest, StreamThatBeginsAnewIsRefused) {
  Pass(Events(1, 500));
  EntryCompressor other;
  const Bytes entries = Events(2, 500);
  Refusal(other.Compress(entries), entries, 500);
}

TEST_F(EntryCompressionTest, LargerWindowIsRefused) {
  ZSTD_CCtx* wide = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(wide, ZSTD_c_windowLog, 27);
  const Bytes entries = Events(1, 1000);
  Bytes piece(4096);
  ZSTD_inBuffer in = {entries.data(), entries.size(), 0};
  ZSTD_outBuffer out = {piece.data(), piece.size(), 0};
  ASSERT_EQ(ZSTD_compressStream2(wide, &out, &in, ZSTD_e_flush), 0u);
  ZSTD_freeCCtx(wide);
  piece.resize(out.pos);
  EXPECT_THAT(Refusal(piece, entries, 1000), HasSubstr("is damaged"));
}

// Every bit of a piece, one at a time: refused, or it was of no account.
TEST_F(EntryCompressionTest, DamagedBytesAreRefused) {
  const Bytes before = Events(1, 300), entries = Events(2, 300);
  const Bytes first = Copy(compressor_.Compress(before));
  const Bytes second = Copy(compressor_.Compress(entries));
  int refused = 0;
  for (size_t bit = 0; bit < second.size() * 8; ++bit) {
    EntryDecompressor decompressor;
    ASSERT_TRUE(decompressor.Decompress(first, 300, Crc32c(before)).ok());
    Bytes damaged = second;
    damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    const auto whole = decompressor.Decompress(damaged, 300, Crc32c(entries));
    refused += !whole.ok();
    if (whole.ok()) {
      EXPECT_EQ(Copy(*whole), entries);
    }
  }
  EXPECT_GT(refused, static_cast<int>(second.size()) * 7);
}

TEST_F(EntryCompressionTest, AnyBytesGetAnAnswer) {
  std::mt19937_64 random(7);
  const Bytes good = Copy(EntryCompressor().Compress(Events(1, 2000)));
  for (int round = 0; round < 3000; ++round) {
    EntryDecompressor decompressor;
    Bytes piece = round % 2 ? good : Noise(round, random() % 300);
    for (int i = 0; i < 3 && !piece.empty(); ++i) {
      piece[random() % piece.size()] = static_cast<std::byte>(random());
    }
    if (round % 2 && random() % 2) piece.resize(random() % piece.size());
    (void)decompressor.Decompress(piece, random() % 5000, round);
  }
}

}  // namespace
}  // namespace ft::logchannel
