// SPDX-License-Identifier: GPL-2.0-or-later
//
// FtdPairTest: hostA and hostB as two real ftds that know each other and share
// a store, for tests with the real ftctl. Their engines are real processes
// whose guests only count (primary/counting_engine_for_test.cc).
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "cli/ftd_for_test.h"

namespace ft::cli {

class FtdPairTest : public ::testing::Test {
 protected:
  // Configured; not started.
  void SetUp() override;
  // Stops vm1 and vm2 wherever they run.
  void TearDown() override;

  void StartBoth();
  static void Must(const Finished& done);
  // A field of the VM's status as text.
  static std::string Field(const FtdForTest& ftd, const std::string& vm,
                           const char* key);
  // Within eight seconds.
  static bool Eventually(const std::function<bool()>& condition);

  FtdForTest a_, b_;
};

}  // namespace ft::cli
