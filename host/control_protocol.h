// SPDX-License-Identifier: GPL-2.0-or-later
//
// The control protocol between ftctl and ftd: one JSON object per line, each
// way, over the Unix socket run_dir/ftd.sock.
//
//     ftctl: {"verb":"start","vm":"vm1"}
//     ftd:   {"result":{...}}
//         or {"error":{"code":"invalid","message":"...","remedy":"..."}}
//     a long verb first says, any number of times,
//            {"progress":"cloning","text":"..."}
//
// code is "invalid", "unavailable" or "failed": Status's codes, and through
// them ftctl's exit code. Requests of one connection are served in order.
// Sans io; pure.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "logchannel/status.h"

namespace ft::host {

// A VM file is a few hundred bytes; a kernel command line at most 4 KiB.
inline constexpr size_t kRequestBytesMax = 64u << 10;

// Cuts a byte stream into lines.
class LineReader {
 public:
  // Whatever arrived.
  void Add(std::string_view bytes) { buffer_.append(bytes); }
  // The next line without its newline, nothing when more bytes are needed,
  // kInvalid when a line is longer than kRequestBytesMax (the stream is then
  // of no more use).
  Result<std::optional<std::string>> Next();

 private:
  std::string buffer_;
};

// The object in `line`; kInvalid when it is none or has no verb.
Result<boost::json::object> ParseRequest(std::string_view line);

// The member `key` of a request. Missing: "", `otherwise` or false; another
// type: the same, so handlers check values, not JSON.
std::string TextOf(const boost::json::object& request, std::string_view key);
int64_t IntegerOf(const boost::json::object& request, std::string_view key,
                  int64_t otherwise);
bool FlagOf(const boost::json::object& request, std::string_view key);
// The same for a number that is used as it is; kInvalid, with the key and both
// ends, when it is not from `least` to `most`.
Result<int64_t> IntegerWithin(const boost::json::object& request,
                              std::string_view key, int64_t otherwise,
                              int64_t least, int64_t most);

// Lines with their newline.
std::string FormatResult(boost::json::object result);
std::string FormatError(const Status& status);
std::string FormatProgress(std::string_view stage, std::string_view text);

// "invalid", "unavailable", "failed" and back; kFailed for any other word.
std::string_view CodeName(Code code);
Code CodeFromName(std::string_view name);

}  // namespace ft::host
