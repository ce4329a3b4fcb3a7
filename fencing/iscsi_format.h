// SPDX-License-Identifier: GPL-2.0-or-later
//
// What an operator does to a LUN before and beside its use as a test-and-set
// store: format it, once; and lend its scratch records to `ftctl fencing
// test`.
#pragma once

#include <string>
#include <utility>

#include "fencing/iscsi_session.h"
#include "logchannel/status.h"

namespace ft::fencing {

// Makes the LUN a store without records. Refused, unless `force`, if the
// first or last MiB of it, or what the store needs, holds anything: a file
// system, a partition table, records of VMs. The header is written last, so
// that a LUN that is formatted is formatted whole.
Status FormatIscsi(const IscsiTarget& target, bool force);

// The scratch records of a LUN, ours while this lives and blank at its
// start. Another test that uses them is named; `force` is for when it died.
class IscsiScratch {
 public:
  static Result<IscsiScratch> Claim(const IscsiTarget& target, bool force);
  IscsiScratch(IscsiScratch&& other) noexcept
      : target_(std::move(other.target_)),
        claim_(std::exchange(other.claim_, "")) {}
  ~IscsiScratch();

  // All scratch records are blank again.
  Status Clear();

 private:
  IscsiScratch(IscsiTarget target, std::string claim)
      : target_(std::move(target)), claim_(std::move(claim)) {}

  IscsiTarget target_;
  // The lock block while it is ours.
  std::string claim_;
};

}  // namespace ft::fencing
