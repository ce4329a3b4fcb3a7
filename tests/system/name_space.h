// SPDX-License-Identifier: GPL-2.0-or-later
//
// InNamespace: the calling thread is in another network namespace for as long
// as this object lives. A socket belongs for good to the namespace that it
// was made in; so does a thread that was started there.
#pragma once

#include <string>

#include "logchannel/scoped_fd.h"

namespace ft::bed {

class InNamespace {
 public:
  // BedError if there is none of this name.
  explicit InNamespace(const std::string& name);
  ~InNamespace();
  InNamespace(const InNamespace&) = delete;
  InNamespace& operator=(const InNamespace&) = delete;

 private:
  const ScopedFd home_;
};

}  // namespace ft::bed
