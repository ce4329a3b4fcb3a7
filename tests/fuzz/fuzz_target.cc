// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fuzz/fuzz_target.h"

#include <google/protobuf/message_lite.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "host/control_protocol.h"
#include "logchannel/check.h"

namespace ft::fuzz {
namespace {

// Protobuf has a line for each string that it refuses; ours is enough.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

}  // namespace

bool IsOneLine(std::string_view text) {
  return !text.empty() && std::ranges::none_of(text, [](unsigned char c) {
    return c < 0x20 || c == 0x7f;
  });
}

void ExpectRefusal(const Status& status) {
  FT_CHECK(!status.ok());
  FT_CHECK(IsOneLine(status.message())) << "message: " << status.message();
  FT_CHECK(status.remedy().empty() || IsOneLine(status.remedy()))
      << "remedy: " << status.remedy();
  const std::string sent = host::FormatError(status);
  boost::system::error_code error;
  const auto line = boost::json::parse(sent, error);
  FT_CHECK(!error) << error.message() << " in " << sent;
  const auto& told = line.at("error").as_object();
  FT_CHECK(host::TextOf(told, "message") == status.message()) << sent;
  FT_CHECK(host::TextOf(told, "remedy") == status.remedy()) << sent;
}

}  // namespace ft::fuzz
