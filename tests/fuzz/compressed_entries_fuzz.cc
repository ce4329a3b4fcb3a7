// SPDX-License-Identifier: GPL-2.0-or-later
//
// The zstd stream of a log channel: pieces from a peer, one per frame.
//
// Promised: no piece does harm, whatever size it claims; what was compressed
// comes back the same, piece by piece; of a stream with a wrong byte nothing
// wrong is ever believed, and nothing at all after the refusal, which is one
// line.
#include "logchannel/entry_compression.h"

#include <algorithm>

#include "logchannel/check.h"
#include "logchannel/crc32c.h"
#include "logchannel/little_endian.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::logchannel {
namespace {

// Pieces as a stranger sends them: size that is claimed, bytes that follow.
void CheckStranger(fuzz::Input input) {
  constexpr size_t kPrefix = 8;
  EntryDecompressor decompressor;
  bool refused = false;
  while (input.size() >= kPrefix) {
    const uint32_t size = LoadU32(input.subspan<0, 4>());
    const size_t bytes = std::min<size_t>(LoadU32(input.subspan<4, 4>()),
                                          input.size() - kPrefix);
    const auto plain =
        decompressor.Decompress(input.subspan(kPrefix, bytes), size, 0);
    FT_CHECK(!(refused && plain.ok())) << "a refused stream went on";
    if (plain.ok()) {
      FT_CHECK(plain->size() == size && Crc32c(*plain) == 0);
    } else {
      fuzz::ExpectRefusal(plain.status());
      refused = true;
    }
    input = input.subspan(kPrefix + bytes);
  }
}

// Four bytes each: which piece gets a wrong byte, where, how wrong (0: not).
void CheckDamage(fuzz::Input input) {
  constexpr size_t kPrefix = 12, kPieceBytes = 96;
  if (input.size() < kPrefix) return;
  const size_t victim = LoadU32(input.subspan<0, 4>()) % 64;
  const size_t where = LoadU32(input.subspan<4, 4>());
  const auto wrong = static_cast<std::byte>(LoadU32(input.subspan<8, 4>()));
  input = input.subspan(kPrefix);
  EntryCompressor compressor;
  EntryDecompressor decompressor;
  bool refused = false;
  for (size_t number = 0; !input.empty(); ++number) {
    const auto plain = input.first(std::min(kPieceBytes, input.size()));
    const auto sent = compressor.Compress(plain);
    std::vector<std::byte> piece(sent.begin(), sent.end());
    if (number == victim) piece[where % piece.size()] ^= wrong;
    const auto got = decompressor.Decompress(
        piece, static_cast<uint32_t>(plain.size()), Crc32c(plain));
    if (got.ok()) {
      FT_CHECK(!refused) << "a refused stream went on";
      FT_CHECK(std::ranges::equal(*got, plain)) << "piece " << number;
    } else {
      FT_CHECK(number >= victim && wrong != std::byte{0})
          << "piece " << number << ": " << got.status().message();
      fuzz::ExpectRefusal(got.status());
      refused = true;
    }
    input = input.subspan(plain.size());
  }
}

}  // namespace

FT_FUZZ_TARGET(compressed_entries, input) {
  CheckStranger(input);
  CheckDamage(input);
}

}  // namespace ft::logchannel
