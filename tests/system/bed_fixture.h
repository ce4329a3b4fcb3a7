// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the system tests share: a fresh bed for every test, whose files stay
// if the test failed, and the list of what a bed must not leave behind.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/system/testbed.h"

namespace ft::bed {

// For `ftctl enable` under load: less than ctest's own limit, so that a test
// that waits in vain fails by itself and keeps its files.
inline constexpr milliseconds kProtectedWithin{40000};

class BedTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) bed_.KeepArtifacts();
  }

  TestBed& bed() { return bed_; }
  Host& a() { return bed_.a(); }
  Host& b() { return bed_.b(); }

  // A field of the VM's status as text, "" if there is none.
  static std::string Field(const Host& host, const char* key) {
    return host.Field(kVm, key);
  }

 private:
  TestBed bed_;
};

// Everything that a bed makes, noted while it lives.
class Traces {
 public:
  explicit Traces(const std::string& run) {
    for (const char* name_space : {"-a", "-b", "-c", "-d", "-s"}) {
      paths_.push_back("/run/netns/" + run + name_space);
    }
    for (const char* host : {"-hostA", "-hostB"}) {
      paths_.push_back("/dev/shm/lockstep-" + run + host);
    }
    paths_.push_back("/run/lockstep-bed/" + run + ".ledger");
    files_ = "/tmp/lockstep-bed/" + run;
  }

  // Its files may stay (a failed run); everything else may not.
  void ForgiveFiles() { files_.clear(); }
  // The first thing that is still there, or "". Processes need no list of
  // their own: a namespace goes only when its last process has gone.
  std::string Left() const {
    for (const std::string& path : paths_) {
      if (std::filesystem::exists(path)) return path;
    }
    if (!files_.empty() && std::filesystem::exists(files_)) return files_;
    return "";
  }

 private:
  std::vector<std::string> paths_;
  std::string files_;
};

}  // namespace ft::bed
