// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/control_protocol.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace ft::host {
namespace json = boost::json;

Result<std::optional<std::string>> LineReader::Next() {
  size_t end = buffer_.find('\n');
  size_t length = end == std::string::npos ? buffer_.size() : end;
  if (length > kRequestBytesMax) {
    return Status::Invalid(
        fmt::format("request is longer than {} bytes", kRequestBytesMax),
        "send one JSON object per line");
  }
  if (end == std::string::npos) return std::optional<std::string>();
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return std::optional<std::string>(std::move(line));
}

Result<json::object> ParseRequest(std::string_view line) {
  boost::system::error_code error;
  json::value value = json::parse({line.data(), line.size()}, error);
  if (error || !value.is_object()) {
    return Status::Invalid("request is not a JSON object",
                           "send one JSON object per line");
  }
  if (TextOf(value.get_object(), "verb").empty()) {
    return Status::Invalid("request has no verb",
                           "send {\"verb\":\"status\"}, for example");
  }
  return std::move(value.get_object());
}

std::string TextOf(const json::object& request, std::string_view key) {
  const json::value* value = request.if_contains({key.data(), key.size()});
  if (value == nullptr || !value->is_string()) return "";
  return std::string(value->get_string());
}

int64_t IntegerOf(const json::object& request, std::string_view key,
                  int64_t otherwise) {
  const json::value* value = request.if_contains({key.data(), key.size()});
  if (value == nullptr || !value->is_int64()) return otherwise;
  return value->get_int64();
}

bool FlagOf(const json::object& request, std::string_view key) {
  const json::value* value = request.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_bool() && value->get_bool();
}

Result<int64_t> IntegerWithin(const json::object& request, std::string_view key,
                              int64_t otherwise, int64_t least, int64_t most) {
  int64_t value = IntegerOf(request, key, otherwise);
  if (value >= least && value <= most) return value;
  return Status::Invalid(fmt::format("{} is {}", key, value),
                         fmt::format("give {} to {}", least, most));
}

std::string FormatResult(json::object result) {
  return json::serialize(json::object{{"result", std::move(result)}}) + "\n";
}

std::string FormatError(const Status& status) {
  json::object error{{"code", CodeName(status.code())},
                     {"message", status.message()},
                     {"remedy", status.remedy()}};
  return json::serialize(json::object{{"error", std::move(error)}}) + "\n";
}

std::string FormatProgress(std::string_view stage, std::string_view text) {
  json::object line{{"progress", json::string_view(stage.data(), stage.size())},
                    {"text", json::string_view(text.data(), text.size())}};
  return json::serialize(line) + "\n";
}

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kInvalid:
      return "invalid";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kFailed:
      return "failed";
  }
  return "failed";
}

Code CodeFromName(std::string_view name) {
  if (name == "invalid") return Code::kInvalid;
  if (name == "unavailable") return Code::kUnavailable;
  return Code::kFailed;
}

}  // namespace ft::host
