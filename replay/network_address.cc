// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/network_address.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace ft::replay {
namespace {

constexpr size_t kHostNameMax = 253;

bool IsHost(const std::string& host) {
  return !host.empty() && host.size() <= kHostNameMax &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '-' || c == ':' ||
                  c == '%';
         });
}

}  // namespace

std::optional<NetworkAddress> ParseNetworkAddress(const std::string& text,
                                                  uint16_t default_port) {
  NetworkAddress address;
  const bool bracketed = text.starts_with('[');
  const size_t bracket = bracketed ? text.find(']') : 0;
  if (bracket == text.npos) return std::nullopt;
  const size_t colon = std::min(text.find(':', bracket), text.size());
  address.host =
      bracketed ? text.substr(1, bracket - 1) : text.substr(0, colon);
  if (!IsHost(address.host) || (bracketed && colon != bracket + 1)) {
    return std::nullopt;
  }
  if (colon == text.size()) {
    address.port = default_port;
  } else {
    const char* end = text.data() + text.size();
    const auto [stop, error] =
        std::from_chars(text.data() + colon + 1, end, address.port);
    if (error != std::errc() || stop != end) return std::nullopt;
  }
  if (address.port == 0) return std::nullopt;
  return address;
}

}  // namespace ft::replay
