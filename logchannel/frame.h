// SPDX-License-Identifier: GPL-2.0-or-later
//
// Frames: how the messages of log_channel.proto lie on a byte stream. Sans
// io: this file knows bytes, not sockets. docs/log-channel.md has the
// grammar and an example in bytes.
//
//     0        4            8             12        16
//     +--------+------------+-------------+---------+----------+-----------+
//     | magic  | header len | payload len | crc32c  | header   | payload   |
//     +--------+------------+-------------+---------+----------+-----------+
//                         u32, little endian          protobuf   raw bytes
//
// The CRC32C covers header and payload. The first frame of a stream has no
// payload: it is a Hello or its reply. A stream that breaks any rule here is
// refused from that byte on: there is no way to find the next frame.
//
// Used from one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "logchannel/log_channel.pb.h"
#include "logchannel/status.h"

namespace ft::logchannel {

// Hello.version. Grows with any change to frame, messages or entries that
// an older peer would misread; peers talk only to their own version.
//   1  the first
//   2  disks, display, tablet and serial input in VmDefinition: a peer that
//      does not know them would build another machine
//   3  heartbeats are echoed: the output lease lives on it, on both sides
inline constexpr uint32_t kLogChannelVersion = 3;

inline constexpr uint32_t kFrameMagic = 0x474c5446;  // "FTLG" on the wire
inline constexpr size_t kFramePrefixBytes = 16;
// A Hello with a long kernel command line is below 4 KiB.
inline constexpr size_t kFrameHeaderBytesMax = 64u << 10;
// Twice the largest log entry, so a frame always takes at least one.
inline constexpr size_t kFramePayloadBytesMax = 8u << 20;

struct Frame {
  wire::FrameHeader header;
  std::vector<std::byte> payload;  // empty for all but Entries
};

// Prefix and header of a frame; the payload follows them on the wire as it
// is, uncopied. FT_CHECKs the limits: a sender knows them.
std::string EncodeFrameHead(const wire::FrameHeader& header,
                            std::span<const std::byte> payload);

// Ok if a peer that says `version` can be talked to; otherwise one line that
// names both versions. For Hello.version and Heartbeat.version.
Status CheckVersion(uint32_t version);

// Turns a byte stream into frames. The caller reads straight into the
// decoder's memory, so that a large payload is received where it stays:
//
//     for (;;) {
//       auto frame = decoder.Next();
//       if (!frame.ok()) ... refuse the peer ...
//       if (*frame) return std::move(**frame);
//       decoder.Filled(read(fd, decoder.Space()));
//     }
//
// Small frames are cut out of a staging buffer (one copy); of a large
// payload only the part that came with the head is copied (once), the rest
// is read in place.
class FrameDecoder {
 public:
  FrameDecoder();

  // Where the next bytes of the stream belong. Call Next() until it has no
  // more to give before; then never empty.
  std::span<std::byte> Space();
  // `bytes` bytes were put at the front of the last Space().
  void Filled(size_t bytes);

  // A frame, or nothing when more bytes are needed, or (for ever after) the
  // one rule that the stream broke: kInvalid, one line of facts about what
  // the peer sent.
  Result<std::optional<Frame>> Next();

  // The stream may end here: no frame is half received.
  bool at_boundary() const;

 private:
  struct Prefix {
    uint32_t header_bytes = 0;
    uint32_t payload_bytes = 0;
    uint32_t crc = 0;
  };

  std::span<const std::byte> staged() const;
  // The three parts of a frame, each when enough bytes are there. Ok without
  // progress when they are not.
  Status TakePrefix();
  Status TakeHeader();
  void TakePayload();
  Status CheckCrc() const;

  // Bytes [begin_, end_) of staging_ are received and not yet used.
  std::vector<std::byte> staging_;
  size_t begin_ = 0;
  size_t end_ = 0;
  // Set between a prefix and the end of its frame.
  std::optional<Prefix> prefix_;
  // Set between a header and the end of its frame. Then payload_filled_ of
  // frame_.payload's bytes are there.
  bool in_payload_ = false;
  uint32_t header_crc_ = 0;
  bool header_parsed_ = false;
  Frame frame_;
  size_t payload_filled_ = 0;
  bool first_ = true;  // no frame was complete yet
  Status broken_;      // not ok: for ever
};

}  // namespace ft::logchannel
