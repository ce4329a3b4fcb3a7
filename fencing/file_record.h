// SPDX-License-Identifier: GPL-2.0-or-later
//
// The text of one test-and-set record as a file, and the names of the files
// around it (file_test_and_set.h has the directory). Pure functions.
//
//     lockstep-record 1
//     vm vm1
//     epoch 8
//     holder hostB           "holder" alone when the VM is released
//     crc32c 44989a55        of all bytes above this line
//
// Text, because an operator will read it on a bad night.
//
// Version rule: the number in the first line changes with any change here;
// a reader refuses any other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fencing/test_and_set.h"

namespace ft::fencing {

// A record is some 120 bytes; a longer file is not one.
inline constexpr size_t kLongestRecordText = 512;

std::string EncodeRecord(const VmRecord& record);

// Accepts exactly what EncodeRecord writes; anything else is kUnavailable
// and names `path`: a record that makes no sense is a store that cannot be
// relied on, not one that may be guessed at.
Result<VmRecord> DecodeRecord(const std::string& path, std::string_view text);

// "vm1.00000000000000000008". Fixed width, so that `ls` sorts by epoch.
std::string RecordName(std::string_view vm, uint64_t epoch);

// The epoch of a file called `name` if it is a record of `vm`. 0, which no
// record has, for a name of that form whose number is no epoch.
std::optional<uint64_t> EpochOfName(std::string_view vm, std::string_view name);

}  // namespace ft::fencing
