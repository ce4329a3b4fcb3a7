// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/heartbeat.h"

#include <ctime>

#include "logchannel/check.h"
#include "logchannel/crc32c.h"
#include "logchannel/frame.h"
#include "logchannel/little_endian.h"

namespace ft::logchannel {

std::string EncodeHeartbeat(wire::Heartbeat heartbeat) {
  heartbeat.set_version(kLogChannelVersion);
  std::string datagram(kHeartbeatPrefixBytes, '\0');
  FT_CHECK(heartbeat.AppendToString(&datagram));
  FT_CHECK(datagram.size() <= kHeartbeatBytesMax)
      << "heartbeat of " << datagram.size() << " bytes for VM "
      << heartbeat.vm();
  auto bytes = std::as_writable_bytes(std::span(datagram));
  StoreU32(kHeartbeatMagic, bytes.subspan<0, 4>());
  StoreU32(Crc32c(bytes.subspan(kHeartbeatPrefixBytes)), bytes.subspan<4, 4>());
  return datagram;
}

Result<wire::Heartbeat> DecodeHeartbeat(std::span<const std::byte> datagram) {
  if (datagram.size() > kHeartbeatBytesMax) {
    return Status::Invalid("heartbeat over the limit of " +
                           std::to_string(kHeartbeatBytesMax) + " bytes");
  }
  if (datagram.size() < kHeartbeatPrefixBytes ||
      LoadU32(datagram.first<4>()) != kHeartbeatMagic) {
    return Status::Invalid("not a heartbeat (wrong magic)");
  }
  const auto body = datagram.subspan(kHeartbeatPrefixBytes);
  if (LoadU32(datagram.subspan<4, 4>()) != Crc32c(body)) {
    return Status::Invalid("heartbeat damaged on the way (CRC32C differs)");
  }
  wire::Heartbeat heartbeat;
  if (!heartbeat.ParseFromArray(body.data(), body.size())) {
    return Status::Invalid("heartbeat is not a Heartbeat message");
  }
  if (auto version = CheckVersion(heartbeat.version()); !version.ok()) {
    return version;
  }
  return heartbeat;
}

uint64_t FirstHeartbeatSequence() {
  timespec now = {};
  FT_CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  return static_cast<uint64_t>(now.tv_sec) * 1000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

bool HeartbeatOrder::Accept(const wire::Heartbeat& heartbeat) {
  const bool newer =
      !any_ || heartbeat.epoch() > epoch_ ||
      (heartbeat.epoch() == epoch_ && heartbeat.sequence() > sequence_);
  if (!newer) return false;
  any_ = true;
  epoch_ = heartbeat.epoch();
  sequence_ = heartbeat.sequence();
  return true;
}

}  // namespace ft::logchannel
