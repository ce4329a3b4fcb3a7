// SPDX-License-Identifier: GPL-2.0-or-later
//
// Hello, the first message of a primary: it says which machine a backup
// builds, and its strings become file names, command lines and a VM file.
//
// Promised: a Hello that is not of this version, or whose machine cannot be
// built, is refused in one line; an accepted machine is written to a VM file
// and read back as the same, and is sent on as the same.
#include "backup/admission.h"
#include "host/vm_file.h"
#include "logchannel/check.h"
#include "logchannel/frame.h"
#include "replay/vm_definition.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::backup {
namespace {

void Check(const logchannel::wire::Hello& hello) {
  const Status accepted = CheckVersionAndDefinition(hello, "hostB");
  if (!accepted.ok()) return fuzz::ExpectRefusal(accepted);
  replay::VmDefinition vm = replay::FromWire(hello.vm());
  FT_CHECK(replay::FromWire(replay::ToWire(vm)) == vm);
  // Measured anew on every host, so they are in no VM file.
  vm.kernel_sha256.clear();
  vm.initrd_sha256.clear();
  const std::string text = host::FormatVmFile(vm);
  const auto again = host::ParseVmFile(text, "vm.toml");
  FT_CHECK(again.ok()) << again.status().ToString() << " in\n" << text;
  FT_CHECK(*again == vm) << text;
}

}  // namespace

FT_FUZZ_TARGET(hello, input) {
  logchannel::wire::Hello hello;
  if (!hello.ParseFromArray(input.data(), static_cast<int>(input.size()))) {
    return;
  }
  Check(hello);
  hello.set_version(logchannel::kLogChannelVersion);
  Check(hello);
}

}  // namespace ft::backup
