// SPDX-License-Identifier: GPL-2.0-or-later
//
// What names and numbers of a VM definition look like. Pure.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>

namespace ft::replay {

// 1 to `size_max` letters, digits, '_', '.', '-'; the first of them a letter
// or digit, so that none is ".." or reads as an option.
inline bool IsName(const std::string& text, size_t size_max) {
  return !text.empty() && text.size() <= size_max &&
         std::isalnum(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '_' || c == '.' || c == '-';
         });
}

// An 'h' in `shape` stands for a lower-case hex digit, anything else for
// itself.
inline bool HasShape(const std::string& text, const std::string& shape) {
  return std::equal(text.begin(), text.end(), shape.begin(), shape.end(),
                    [](char c, char expected) {
                      if (expected != 'h') return c == expected;
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                    });
}

}  // namespace ft::replay
