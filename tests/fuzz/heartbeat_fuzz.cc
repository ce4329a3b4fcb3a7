// SPDX-License-Identifier: GPL-2.0-or-later
//
// Heartbeat datagrams: anybody on the network can send one.
//
// Promised: no datagram does harm; what is no heartbeat of this version is
// refused in one line; what is accepted and sent again is the same. Of two
// equal ones the second is never news.
#include "logchannel/heartbeat.h"

#include <algorithm>

#include "logchannel/check.h"
#include "logchannel/crc32c.h"
#include "logchannel/little_endian.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::logchannel {
namespace {

void Check(fuzz::Input datagram) {
  const auto heartbeat = DecodeHeartbeat(datagram);
  if (!heartbeat.ok()) return fuzz::ExpectRefusal(heartbeat.status());
  const std::string sent = EncodeHeartbeat(*heartbeat);
  const auto again = DecodeHeartbeat(fuzz::AsInput(sent));
  FT_CHECK(again.ok()) << again.status().message();
  FT_CHECK(again->SerializeAsString() == heartbeat->SerializeAsString());
  HeartbeatOrder order;
  FT_CHECK(order.Accept(*heartbeat));
  FT_CHECK(!order.Accept(*again));
}

// With the checksum of its content, which no invention would hit.
std::vector<std::byte> Sealed(fuzz::Input input) {
  std::vector<std::byte> bytes(input.begin(), input.end());
  if (bytes.size() < kHeartbeatPrefixBytes) return bytes;
  const auto prefix = std::span(bytes);
  StoreU32(Crc32c(prefix.subspan(kHeartbeatPrefixBytes)),
           prefix.subspan<4, 4>());
  return bytes;
}

// The content in the version of today, whatever was kept.
std::string Renewed(fuzz::Input input) {
  const auto body =
      input.subspan(std::min(input.size(), kHeartbeatPrefixBytes));
  wire::Heartbeat heartbeat;
  (void)heartbeat.ParseFromArray(body.data(), static_cast<int>(body.size()));
  if (heartbeat.ByteSizeLong() + 32 > kHeartbeatBytesMax) return {};
  return EncodeHeartbeat(std::move(heartbeat));
}

}  // namespace

FT_FUZZ_TARGET(heartbeat, input) {
  Check(input);
  Check(Sealed(input));
  Check(fuzz::AsInput(Renewed(input)));
}

}  // namespace ft::logchannel
