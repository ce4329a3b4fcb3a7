// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/crc32c.h"

#include <gtest/gtest.h>

#include <array>
#include <string_view>
#include <vector>

namespace ft::logchannel {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// RFC 3720 B.4 prints the CRC bytes in wire order; as words they are these.
TEST(Crc32c, AgreesWithRfc3720) {
  std::array<std::byte, 32> bytes;
  bytes.fill(std::byte{0});
  EXPECT_EQ(Crc32c(bytes), 0x8a9136aau);
  bytes.fill(std::byte{0xff});
  EXPECT_EQ(Crc32c(bytes), 0x62a8ab43u);
  for (int i = 0; i < 32; ++i) bytes[i] = std::byte(i);
  EXPECT_EQ(Crc32c(bytes), 0x46dd794eu);
  for (int i = 0; i < 32; ++i) bytes[i] = std::byte(31 - i);
  EXPECT_EQ(Crc32c(bytes), 0x113fdb5cu);
}

TEST(Crc32c, AgreesWithRfc3720OnAnIscsiCommand) {
  constexpr std::array<uint8_t, 48> kRead10 = {
      0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
      0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
      0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
  EXPECT_EQ(Crc32c(std::as_bytes(std::span(kRead10))), 0xd9963a56u);
}

TEST(Crc32c, OfNothingIsZero) { EXPECT_EQ(Crc32c({}), 0u); }

TEST(Crc32c, OfTheNineDigits) {
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xe3069283u);
}

TEST(Crc32c, ExtendEqualsTheWholeAtEverySplit) {
  const auto whole = Bytes("any split of these words gives the same sum");
  for (size_t split = 0; split <= whole.size(); ++split) {
    const uint32_t head = Crc32c(whole.first(split));
    EXPECT_EQ(Crc32cExtend(head, whole.subspan(split)), Crc32c(whole));
  }
}

}  // namespace
}  // namespace ft::logchannel
