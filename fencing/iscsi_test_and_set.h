// SPDX-License-Identifier: GPL-2.0-or-later
//
// IscsiTestAndSet: the test-and-set on a LUN of its own that both hosts
// reach by iSCSI. The atomic step is SCSI COMPARE AND WRITE (0x89, what VMFS
// calls ATS) of one logical block, through libiscsi: no kernel device, no
// multipath layer, no cache of this host between us and the target.
//
//     READ the VM's block                       {vm1, 7, hostA}
//     COMPARE AND WRITE it, FUA                 {vm1, 8, hostB}
//          GOOD: ours.  MISCOMPARE: READ again, that record decides
//     SYNCHRONIZE CACHE of the block            before any answer
//
// iscsi_layout.h says which block is whose. A LUN that was not formatted is
// refused with the remedy; nothing here formats one.
//
// A decision must not wait for a login, which takes some targets a second.
// So a thread of ours, the keeper, opens a session before anybody asks,
// pings it and replaces it when it is lost. Calls wait for it until their
// deadline, and for each other.
//
// What it cannot know: whether a target that answers GOOD has compared and
// written in one step, and whether it survives a power failure. The first
// `ftctl fencing test` finds out.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "fencing/iscsi_layout.h"
#include "fencing/iscsi_session.h"
#include "fencing/swap_test_and_set.h"

namespace ft::fencing {

class IscsiTestAndSet : public SwapTestAndSet {
 public:
  // Begins to log in.
  explicit IscsiTestAndSet(IscsiTarget target,
                           iscsi::Table table = iscsi::kVmTable,
                           std::chrono::milliseconds timeout = kTimeout);
  ~IscsiTestAndSet() override;

 protected:
  // COMPARE AND WRITE of one block; for tests, which replace it by worse.
  virtual Result<bool> CompareAndWrite(IscsiSession& session, uint64_t block,
                                       const std::string& expected,
                                       const std::string& wanted,
                                       Deadline deadline);

 private:
  using Work = std::function<Status(IscsiSession&)>;
  // Blocks read at once: most searches end in the first.
  static constexpr uint32_t kBlocksAtOnce = 8;

  Result<Found> Find(const std::string& vm, Deadline deadline) override;
  Result<bool> Swap(const Found& found, const VmRecord& wanted,
                    Deadline deadline) override;
  // Also proves that a COMPARE AND WRITE with the wrong content is refused.
  Status Try(Deadline deadline) override;

  // Does `work` with the session, again with a new one if it turns out to be
  // lost: so `work` may be done twice.
  Status With(Deadline deadline, const Work& work);
  // The session, which is the caller's until GiveBack; why there is none if
  // the keeper failed to open one since we asked, or at the deadline.
  Result<std::unique_ptr<IscsiSession>> Take(Deadline deadline);
  void GiveBack(std::unique_ptr<IscsiSession> session);

  void KeeperMain(std::stop_token stop);
  // A new session with a LUN that is formatted.
  Result<std::unique_ptr<IscsiSession>> Open(std::stop_token stop) const;

  Result<Found> Search(IscsiSession& session, const std::string& vm,
                       Deadline deadline) const;
  Status Damaged(uint64_t block, const std::string& vm) const;

  const IscsiTarget target_;
  const iscsi::Table table_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Everything below under mutex_.
  std::unique_ptr<IscsiSession> session_;
  // Somebody has taken the session, which so is not here.
  bool taken_ = false;
  // Calls that wait for a session: the keeper tries without a pause.
  int waiting_ = 0;
  // Tries of the keeper to open a session that have begun and failed; how
  // the last one failed.
  uint64_t begun_ = 0;
  uint64_t failed_ = 0;
  Status failure_;

  // Last: it uses everything above.
  std::jthread keeper_;
};

}  // namespace ft::fencing
