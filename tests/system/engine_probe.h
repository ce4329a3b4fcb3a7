// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which engines run on a host, and which of them is live: found out without
// asking ftd, because whether ftd tells the truth is what the tests test.
//
// A process is an engine of a host if it lives in the host's namespace and
// has a ring below the host's ring directory on its command line. Its ring
// (logchannel/ring_layout.h) tells the rest.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace ft::bed {

struct EngineFacts {
  pid_t pid = -1;
  std::string ring_path;
  std::string engine_build;
  bool recording = false;  // executes its own guest; false: replays
  bool holding = false;    // the output rule is in force
  // It executed something while it was watched.
  bool advancing = false;
  // Recording, advancing, and its outputs leave: not holding, or holding
  // and still being acknowledged. This is what split-brain would have two
  // of; a cut-off primary that holds all its outputs is not live.
  bool live = false;
};

// Engines of a host now; `advancing` and `live` are not filled in.
std::vector<EngineFacts> FindEngines(const std::string& name_space,
                                     const std::string& ring_dir);

// The same with all fields: watches the rings for up to `watch`, less if
// every engine has shown itself live.
std::vector<EngineFacts> WatchEngines(const std::string& name_space,
                                      const std::string& ring_dir,
                                      std::chrono::milliseconds watch);

}  // namespace ft::bed
