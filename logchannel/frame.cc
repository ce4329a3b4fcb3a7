// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/frame.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "logchannel/check.h"
#include "logchannel/crc32c.h"
#include "logchannel/little_endian.h"

namespace ft::logchannel {
namespace {

// One read takes many small frames (an Ack is 24 bytes), or the head of a
// large one. Payloads that fit are cut out of it; larger ones leave it.
constexpr size_t kStagingBytes =
    kFramePrefixBytes + kFrameHeaderBytesMax + (64u << 10);

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string OverLimit(const char* part, size_t bytes, size_t limit) {
  return std::string("frame ") + part + " of " + std::to_string(bytes) +
         " bytes, limit " + std::to_string(limit);
}

}  // namespace

std::string EncodeFrameHead(const wire::FrameHeader& header,
                            std::span<const std::byte> payload) {
  std::string head(kFramePrefixBytes, '\0');
  FT_CHECK(header.AppendToString(&head));
  const size_t header_bytes = head.size() - kFramePrefixBytes;
  FT_CHECK(header_bytes <= kFrameHeaderBytesMax) << header_bytes;
  FT_CHECK(payload.size() <= kFramePayloadBytesMax) << payload.size();

  const auto covered = AsBytes(head).subspan(kFramePrefixBytes);
  const uint32_t crc = Crc32cExtend(Crc32c(covered), payload);
  auto prefix = std::as_writable_bytes(std::span(head));
  StoreU32(kFrameMagic, prefix.subspan<0, 4>());
  StoreU32(header_bytes, prefix.subspan<4, 4>());
  StoreU32(payload.size(), prefix.subspan<8, 4>());
  StoreU32(crc, prefix.subspan<12, 4>());
  return head;
}

Status CheckVersion(uint32_t version) {
  if (version == kLogChannelVersion) return Status::Ok();
  return Status::Invalid(
      "peer speaks log channel version " + std::to_string(version) +
          ", this host speaks version " + std::to_string(kLogChannelVersion),
      "install the same release of Lockstep on both hosts");
}

FrameDecoder::FrameDecoder() : staging_(kStagingBytes) {}

bool FrameDecoder::at_boundary() const {
  return broken_.ok() && !prefix_ && begin_ == end_;
}

std::span<const std::byte> FrameDecoder::staged() const {
  return std::span(staging_).subspan(begin_, end_ - begin_);
}

std::span<std::byte> FrameDecoder::Space() {
  if (in_payload_ && begin_ == end_) {
    return std::span(frame_.payload).subspan(payload_filled_);
  }
  // What is left over is less than a prefix and a header: moving it to the
  // front costs little and leaves at least 64 KiB.
  const auto rest = staged();
  std::memmove(staging_.data(), rest.data(), rest.size());
  begin_ = 0;
  end_ = rest.size();
  return std::span(staging_).subspan(end_);
}

void FrameDecoder::Filled(size_t bytes) {
  if (in_payload_ && begin_ == end_) {
    FT_CHECK(bytes <= frame_.payload.size() - payload_filled_) << bytes;
    payload_filled_ += bytes;
  } else {
    FT_CHECK(bytes <= staging_.size() - end_) << bytes;
    end_ += bytes;
  }
}

Result<std::optional<Frame>> FrameDecoder::Next() {
  if (broken_.ok() && !prefix_) broken_ = TakePrefix();
  if (broken_.ok() && prefix_ && !in_payload_) broken_ = TakeHeader();
  if (!broken_.ok()) return broken_;
  if (!in_payload_) return std::optional<Frame>();
  TakePayload();
  if (payload_filled_ < frame_.payload.size()) return std::optional<Frame>();
  broken_ = CheckCrc();
  if (!broken_.ok()) return broken_;
  prefix_.reset();
  in_payload_ = false;
  first_ = false;
  return std::optional<Frame>(std::exchange(frame_, Frame()));
}

Status FrameDecoder::TakePrefix() {
  const auto bytes = staged();
  // Refuse a stranger at its fourth byte: it may never send sixteen.
  if (bytes.size() < 4) return Status::Ok();
  if (LoadU32(bytes.first<4>()) != kFrameMagic) {
    return Status::Invalid("not a log channel frame (wrong magic)");
  }
  if (bytes.size() < kFramePrefixBytes) return Status::Ok();
  const Prefix prefix{.header_bytes = LoadU32(bytes.subspan<4, 4>()),
                      .payload_bytes = LoadU32(bytes.subspan<8, 4>()),
                      .crc = LoadU32(bytes.subspan<12, 4>())};
  if (prefix.header_bytes > kFrameHeaderBytesMax) {
    return Status::Invalid(
        OverLimit("header", prefix.header_bytes, kFrameHeaderBytesMax));
  }
  if (prefix.payload_bytes > kFramePayloadBytesMax) {
    return Status::Invalid(
        OverLimit("payload", prefix.payload_bytes, kFramePayloadBytesMax));
  }
  // The first frame is a greeting. So a stranger's promise of 8 MiB gets no
  // memory before its Hello has been judged.
  if (first_ && prefix.payload_bytes > 0) {
    return Status::Invalid("first frame has a payload (of " +
                           std::to_string(prefix.payload_bytes) +
                           " bytes), a greeting has none");
  }
  prefix_ = prefix;
  begin_ += kFramePrefixBytes;
  return Status::Ok();
}

Status FrameDecoder::TakeHeader() {
  if (staged().size() < prefix_->header_bytes) return Status::Ok();
  const auto bytes = staged().first(prefix_->header_bytes);
  header_crc_ = Crc32c(bytes);
  header_parsed_ = frame_.header.ParseFromArray(bytes.data(), bytes.size());
  begin_ += bytes.size();
  frame_.payload.resize(prefix_->payload_bytes);
  payload_filled_ = 0;
  in_payload_ = true;
  return Status::Ok();
}

void FrameDecoder::TakePayload() {
  const auto rest = staged();
  const size_t taken =
      std::min(rest.size(), frame_.payload.size() - payload_filled_);
  if (taken == 0) return;
  std::memcpy(frame_.payload.data() + payload_filled_, rest.data(), taken);
  payload_filled_ += taken;
  begin_ += taken;
}

Status FrameDecoder::CheckCrc() const {
  const uint32_t crc = Crc32cExtend(header_crc_, frame_.payload);
  if (crc != prefix_->crc) {
    return Status::Invalid("frame damaged on the way (CRC32C differs)");
  }
  // Whole and still unreadable: not damage, but somebody else's message.
  if (!header_parsed_) {
    return Status::Invalid("frame header is not a FrameHeader message");
  }
  if (frame_.header.message_case() == wire::FrameHeader::MESSAGE_NOT_SET) {
    return Status::Invalid("frame carries no message of log channel version " +
                           std::to_string(kLogChannelVersion));
  }
  return Status::Ok();
}

}  // namespace ft::logchannel
