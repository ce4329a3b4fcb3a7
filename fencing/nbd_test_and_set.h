// SPDX-License-Identifier: GPL-2.0-or-later
//
// NbdTestAndSet: the test-and-set on a disk service (shared-disk/), which
// serves the VM's disks as well. Winning and fencing are one act there: when
// Acquire says kAcquired, no write of the loser is under way at any disk of
// that VM, and none will be let through.
//
// One connection per VM, or more while calls overlap; kept, and made again
// when the service was restarted in between. An Acquire is a read and a
// compare-and-write: two round trips and one synced write of the service.
//
// Every call ends: after `deadline` a service that hangs is kUnreachable,
// and named. It begins once more if a kept connection breaks meanwhile.
//
// Thread-safe. After a fork the child opens a store of its own.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fencing/nbd_record_client.h"
#include "fencing/record_test_and_set.h"

namespace ft::fencing {

class NbdTestAndSet : public RecordTestAndSet {
 public:
  // A little less than AsyncTestAndSet's, so that its answer names the
  // service rather than only the time; far more than a healthy service
  // needs, whose writes in flight end first.
  static constexpr std::chrono::milliseconds kDeadline{800};

  // `address`: "HOST:PORT" or the absolute path of a Unix socket. Does not
  // connect; Probe does.
  // `prefix` comes before each VM's name at the service: of tests.
  explicit NbdTestAndSet(std::string address,
                         std::chrono::milliseconds deadline = kDeadline,
                         std::string prefix = {});
  ~NbdTestAndSet() override;

  // Whether the service answers and can read a record. Call it before a VM
  // is started or protected, so that a service that could never answer is
  // found before it is needed.
  Status Probe() override;

  const std::string& address() const { return address_; }

 private:
  using Client = std::unique_ptr<NbdRecordClient>;

  // Asks over a kept connection or, if there is none or it has broken, over
  // a new one. `ask` may be called twice.
  template <typename T, typename Ask>
  Result<T> With(const std::string& vm, Ask ask);
  // None if there is none.
  Client TakeKept(const std::string& vm);
  void Keep(const std::string& vm, Client client);

  // Each takes the time of one call.
  Result<std::optional<VmRecord>> Newest(const std::string& vm,
                                         Deadline deadline) override;
  Result<VmRecord> Change(uint64_t expected_epoch, const VmRecord& wanted,
                          const std::string& writer,
                          Deadline deadline) override;

  VmRecord FromRecord(const shared_disk::Record& record) const;
  shared_disk::Record ToRecord(const VmRecord& record) const;
  // One attempt over one connection.
  Result<VmRecord> TryChange(NbdRecordClient& client, uint64_t expected_epoch,
                             const VmRecord& wanted) const;

  const std::string address_;
  const std::chrono::milliseconds deadline_;
  const std::string prefix_;
  std::mutex mutex_;
  // Connections that nobody uses now. mutex_
  std::map<std::string, std::vector<Client>> kept_;
};

}  // namespace ft::fencing
