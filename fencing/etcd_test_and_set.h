// SPDX-License-Identifier: GPL-2.0-or-later
//
// EtcdTestAndSet: the test-and-set in an etcd cluster, for hosts without
// shared storage (private disks) and for clusters that have an etcd anyway.
//
//     /lockstep/vm1        the text of file_record.h, for
//                          `etcdctl get /lockstep/vm1` on a bad night
//     /lockstep/.probe     written by Probe
//
// The atomic step is a transaction: if the key's mod_revision is still the
// one that was read (0: there is no key), put the next record. etcd answers
// when a majority of its members has it on disk, and never gives two
// transactions the same revision.
//
// Two members make no majority when one dies, so etcd wants three, one of
// them on neither of the two hosts: else the host that dies takes the
// decision with it, and the VM waits.
#pragma once

#include <string>

#include "fencing/etcd_client.h"
#include "fencing/swap_test_and_set.h"

namespace ft::fencing {

class EtcdTestAndSet : public SwapTestAndSet {
 public:
  // Touches nothing; Probe does.
  explicit EtcdTestAndSet(EtcdCluster cluster,
                          std::chrono::milliseconds timeout = kTimeout);

 private:
  Result<Found> Find(const std::string& vm, Deadline deadline) override;
  Result<bool> Swap(const Found& found, const VmRecord& wanted,
                    Deadline deadline) override;
  Status Try(Deadline deadline) override;

  std::string KeyOf(const std::string& vm) const;

  EtcdClient client_;
};

}  // namespace ft::fencing
