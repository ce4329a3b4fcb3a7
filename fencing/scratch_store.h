// SPDX-License-Identifier: GPL-2.0-or-later
//
// ScratchStore: a place on an operator's own storage, beside the records of
// VMs and never among them, in which the checks of test_and_set_checks.h may
// do as they like:
//
//     file     a hidden directory in shared_dir
//     nbd      the service's records of VMs named fencing-test.RANDOM.*
//     iscsi    the LUN's scratch records, one test at a time
//     etcd     keys below PREFIX.test-RANDOM/, which can be no VM's
//
// Gone when this is destroyed.
#pragma once

#include <memory>

#include "fencing/store_options.h"
#include "fencing/test_and_set_checks.h"

namespace ft::fencing {

class ScratchStore : public StoreUnderTest {
 public:
  // `force` takes what a test that died has left. Probe the store before.
  static Result<std::unique_ptr<ScratchStore>> Make(const StoreOptions& options,
                                                    bool force);

  // Whether checks that need `hand` can be run here.
  virtual bool has(Hand hand) const {
    return hand == Hand::kNone || hand == Hand::kDamage;
  }
  // No VM has a record, as at the beginning.
  virtual Status Clear() = 0;
};

}  // namespace ft::fencing
