// SPDX-License-Identifier: GPL-2.0-or-later
//
// A network for one test: a network namespace with a bridge that is the
// tests' own host on the guests' network.
//
//     test, 10.9.0.1 --- br0 --+-- tap of the primary --\ guest, 10.9.0.2
//                              +-- tap of the backup  --/
//
// The calling thread moves into the namespace, and with it every thread and
// process that it starts; destruction moves it back, and the kernel takes
// the namespace away with its last process. Needs root.
#pragma once

#include <string>

#include "logchannel/scoped_fd.h"
#include "logchannel/status.h"

namespace ft::replay {

inline constexpr char kBridge[] = "br0";
inline constexpr char kHostAddress[] = "10.9.0.1";
inline constexpr char kGuestAddress[] = "10.9.0.2";

class NetworkBed {
 public:
  NetworkBed();
  ~NetworkBed();
  NetworkBed(const NetworkBed&) = delete;
  NetworkBed& operator=(const NetworkBed&) = delete;

  // What did not work in the constructor.
  const Status& status() const { return status_; }

 private:
  Status Build();

  ScopedFd outside_;  // the namespace to return to
  Status status_;
};

}  // namespace ft::replay
