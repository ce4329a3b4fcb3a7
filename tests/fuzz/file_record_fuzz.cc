// SPDX-License-Identifier: GPL-2.0-or-later
//
// Test-and-set records: files on shared storage that other hosts, and people
// on a bad night, write. The input is a name of a VM, a name of a file and the
// text of a record, a line each but the last.
//
// Promised: exactly what is written is read, down to the byte; everything else
// is refused in one line that names the file; an epoch has one file name.
#include "fencing/file_record.h"

#include <algorithm>
#include <cstdio>

#include "logchannel/check.h"
#include "logchannel/crc32c.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::fencing {
namespace {

void CheckText(std::string_view text) {
  const auto record = DecodeRecord("/srv/record", text);
  if (!record.ok()) {
    fuzz::ExpectRefusal(record.status());
    FT_CHECK(record.status().message().find("/srv/record") !=
             std::string::npos);
    return;
  }
  FT_CHECK(EncodeRecord(*record) == text) << text;
  FT_CHECK(record->epoch > 0 && record->epoch + 1 > record->epoch);
  FT_CHECK(EpochOfName(record->vm, RecordName(record->vm, record->epoch)) ==
           record->epoch);
}

// With the last line that the rest should have.
std::string Sealed(std::string_view text) {
  text = text.substr(0, text.find("crc32c "));
  char last_line[32];
  std::snprintf(last_line, sizeof last_line, "crc32c %08x\n",
                logchannel::Crc32c(fuzz::AsInput(text)));
  return std::string(text) + last_line;
}

std::string_view TakeLine(std::string_view& text) {
  const auto line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

}  // namespace

FT_FUZZ_TARGET(file_record, input) {
  std::string_view text = fuzz::AsText(input);
  const auto vm = TakeLine(text);
  const auto name = TakeLine(text);
  const auto epoch = EpochOfName(vm, name);
  FT_CHECK(!epoch || *epoch == 0 || RecordName(vm, *epoch) == name) << name;
  const Status valid = ValidateName("VM name", vm);
  if (!valid.ok()) fuzz::ExpectRefusal(valid);
  CheckText(text);
  CheckText(Sealed(text));
}

}  // namespace ft::fencing
