// SPDX-License-Identifier: GPL-2.0-or-later
//
// VM files: written by a person, in TOML, and sent through the control
// socket.
//
// Promised: a mistake is one line; what is accepted is a machine that a backup
// accepts as well, and is the same when it is written and read again.
#include "host/vm_file.h"

#include "fencing/test_and_set.h"
#include "logchannel/check.h"
#include "logchannel/one_line.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::host {

FT_FUZZ_TARGET(vm_file, input) {
  const auto vm = ParseVmFile(std::string(fuzz::AsText(input)), "vm.toml");
  if (!vm.ok()) return fuzz::ExpectRefusal(vm.status());
  FT_CHECK(replay::Validate(*vm).ok());
  FT_CHECK(fencing::ValidateName("VM name", vm->name).ok()) << vm->name;
  for (const std::string& text : {vm->kernel, vm->initrd, vm->cmdline}) {
    FT_CHECK(!HasControlCharacter(text)) << text;
  }
  const std::string text = FormatVmFile(*vm);
  const auto again = ParseVmFile(text, "again.toml");
  FT_CHECK(again.ok()) << again.status().ToString() << " in\n" << text;
  FT_CHECK(*again == *vm) << text;
  FT_CHECK(FormatVmFile(*again) == text) << text;
}

}  // namespace ft::host
