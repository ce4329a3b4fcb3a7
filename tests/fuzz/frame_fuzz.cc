// SPDX-License-Identifier: GPL-2.0-or-later
//
// The byte stream of the log channel: what a peer, or a stranger who reached
// its port, sends.
//
// Promised: the stream is cut into the same frames however it arrives; the
// first rule that it breaks is one line, and nothing comes after it; frames
// that are sent again are the same; of Entries everything or nothing is valid.
#include "logchannel/frame.h"

#include <algorithm>

#include "logchannel/check.h"
#include "logchannel/crc32c.h"
#include "logchannel/little_endian.h"
#include "logchannel/log_entry.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::logchannel {
namespace {

struct Decoded {
  std::vector<Frame> frames;
  Status end;  // not ok: where the stream was refused
};

// At most `step` bytes arrive at a time.
Decoded Decode(fuzz::Input stream, size_t step) {
  Decoded decoded;
  FrameDecoder decoder;
  for (;;) {
    auto frame = decoder.Next();
    if (!frame.ok()) {
      decoded.end = frame.status();
      FT_CHECK(!decoder.Next().ok()) << "a refused stream went on";
      FT_CHECK(!decoder.at_boundary());
      return decoded;
    }
    if (frame->has_value()) {
      decoded.frames.push_back(std::move(**frame));
      continue;
    }
    if (stream.empty()) return decoded;
    const auto space = decoder.Space();
    FT_CHECK(!space.empty()) << "no space for the next byte";
    const size_t bytes = std::min({step, space.size(), stream.size()});
    std::ranges::copy(stream.first(bytes), space.begin());
    decoder.Filled(bytes);
    stream = stream.subspan(bytes);
  }
}

void ExpectSame(const Decoded& a, const Decoded& b) {
  FT_CHECK(a.end.ToString() == b.end.ToString())
      << a.end.ToString() << " / " << b.end.ToString();
  FT_CHECK(a.frames.size() == b.frames.size());
  for (size_t i = 0; i < a.frames.size(); ++i) {
    FT_CHECK(a.frames[i].header.SerializeAsString() ==
             b.frames[i].header.SerializeAsString());
    FT_CHECK(a.frames[i].payload == b.frames[i].payload);
  }
}

std::string Encode(const std::vector<Frame>& frames) {
  std::string stream;
  for (const Frame& frame : frames) {
    stream += EncodeFrameHead(frame.header, frame.payload);
    stream += fuzz::AsText(frame.payload);
  }
  return stream;
}

void CheckEntries(const Frame& frame) {
  if (!frame.header.has_entries()) return;
  const LogPosition first = frame.header.entries().first();
  const Status valid = ValidateEntries(frame.payload, first);
  if (!valid.ok()) return fuzz::ExpectRefusal(valid);
  LogPosition end = first;
  EntryWalker walker(frame.payload, first);
  while (const auto entry = walker.Next()) {
    FT_CHECK(entry->position == end && walker.position() > end)
        << "positions grow: " << end << ", " << walker.position();
    end = walker.position();
  }
  FT_CHECK(end - first == frame.payload.size());
}

void Check(fuzz::Input stream) {
  const Decoded decoded = Decode(stream, SIZE_MAX);
  if (!decoded.end.ok()) fuzz::ExpectRefusal(decoded.end);
  ExpectSame(decoded, Decode(stream, 1));
  const std::string sent = Encode(decoded.frames);
  ExpectSame({.frames = decoded.frames, .end = {}},
             Decode(fuzz::AsInput(sent), SIZE_MAX));
  for (const Frame& frame : decoded.frames) CheckEntries(frame);
}

// With the checksum that each whole frame should have.
std::vector<std::byte> Sealed(fuzz::Input input) {
  std::vector<std::byte> bytes(input.begin(), input.end());
  auto rest = std::span(bytes);
  while (rest.size() >= kFramePrefixBytes) {
    const uint64_t size =
        uint64_t{LoadU32(rest.subspan<4, 4>())} + LoadU32(rest.subspan<8, 4>());
    if (size > rest.size() - kFramePrefixBytes) break;
    StoreU32(Crc32c(rest.subspan(kFramePrefixBytes, size)),
             rest.subspan<12, 4>());
    rest = rest.subspan(kFramePrefixBytes + size);
  }
  return bytes;
}

}  // namespace

FT_FUZZ_TARGET(frame, input) {
  Check(input);
  Check(Sealed(input));
}

}  // namespace ft::logchannel
