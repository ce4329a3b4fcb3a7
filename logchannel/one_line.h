// SPDX-License-Identifier: GPL-2.0-or-later
//
// OneLine: what others wrote (a peer, a file, the engine), fit to be shown to
// a person, logged, and sent on as JSON. A name with a line break would be
// two lines of a log, one with an escape sequence would move a terminal's
// cursor, and one that is no UTF-8 would make JSON that ftctl cannot read.
// Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ft {

// How many bytes the well-formed UTF-8 character at the front of `text` has;
// 0 if there is none (RFC 3629: no overlong forms, no surrogates).
inline size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto follows = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned lead = at(0), next = at(1);
  if (lead < 0x80) return text.empty() ? 0 : 1;
  if (lead < 0xc2 || lead > 0xf4 || !follows(1)) return 0;
  if (lead < 0xe0) return 2;
  if (!follows(2)) return 0;
  if (lead < 0xf0) {
    const bool overlong = lead == 0xe0 && next < 0xa0;
    const bool surrogate = lead == 0xed && next > 0x9f;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = lead == 0xf0 && next < 0x90;
  const bool too_large = lead == 0xf4 && next > 0x8f;
  return overlong || too_large || !follows(3) ? 0 : 4;
}

// Whether the character of `bytes` bytes at the front of `text` moves
// something instead of showing something: C0, DEL, C1.
inline bool IsControl(std::string_view text, size_t bytes) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (bytes == 1) return lead < 0x20 || lead == 0x7f;
  return lead == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
}

// `text` with '?' for each byte that is not UTF-8 and for each control
// character.
inline std::string OneLine(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = Utf8Length(text);
    if (bytes == 0 || IsControl(text, bytes)) {
      line += '?';
    } else {
      line += text.substr(0, bytes);
    }
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return line;
}

// C0 but tabs, or DEL: what neither a name, nor a path, nor a kernel's command
// line has. At a NUL each of them would end.
inline bool HasControlCharacter(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return true;
  }
  return false;
}

}  // namespace ft
