// SPDX-License-Identifier: GPL-2.0-or-later
//
// WholeNumber: an integer out of JSON, if it is one.
//
// Not boost::json::value::to_number(): in Boost 1.81 it casts what JSON said
// as a double to the integer's type before it knows that it fits, and 2^64,
// which is no uint64_t, passes its bounds. Such a cast is undefined.
#pragma once

#include <boost/json/value.hpp>
#include <concepts>
#include <optional>
#include <utility>

namespace ft::replay {

// Nothing if the value is no integer, or none that T can hold; 7.0 is none.
template <std::integral T>
std::optional<T> WholeNumber(const boost::json::value& value) {
  if (const int64_t* number = value.if_int64()) {
    if (std::in_range<T>(*number)) return static_cast<T>(*number);
  } else if (const uint64_t* large = value.if_uint64()) {
    if (std::in_range<T>(*large)) return static_cast<T>(*large);
  }
  return std::nullopt;
}

}  // namespace ft::replay
