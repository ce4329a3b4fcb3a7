// SPDX-License-Identifier: GPL-2.0-or-later
//
// Vm::VerbLock: one verb at a time per VM, for as long as this lives.
// Included by the files that implement Vm only.
#pragma once

#include <string>
#include <utility>

#include "host/vm.h"

namespace ft::host {

class Vm::VerbLock {
 public:
  // Only when vm.RefuseBusy() was ok.
  VerbLock(Vm& vm, std::string verb) : vm_(&vm) { vm.verb_ = std::move(verb); }
  ~VerbLock() { Release(); }
  VerbLock(const VerbLock&) = delete;
  VerbLock& operator=(const VerbLock&) = delete;

  // Before the end of the scope, when the rest may be interrupted.
  void Release() {
    if (vm_ != nullptr) std::exchange(vm_, nullptr)->verb_.clear();
  }

 private:
  Vm* vm_;
};

}  // namespace ft::host
