// SPDX-License-Identifier: GPL-2.0-or-later
//
// IscsiSession: one iSCSI session with one LUN, through libiscsi, as a
// handful of blocking calls that end by a deadline. Once a call has failed
// for want of an answer the session is dead (`alive()`): whether the target
// did what it was asked is not known, and a new session is to be opened.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "fencing/store_options.h"
#include "fencing/swap_test_and_set.h"
#include "logchannel/status.h"

struct iscsi_context;
struct scsi_task;

namespace ft::fencing {

class IscsiSession {
 public:
  // Logs in and asks for the size. kInvalid: the URL. Some targets take a
  // second for a login. `stop`, from another thread, ends the waiting.
  static Result<std::unique_ptr<IscsiSession>> Open(
      const IscsiTarget& target, Deadline deadline,
      std::stop_token stop = std::stop_token());
  ~IscsiSession();
  IscsiSession(const IscsiSession&) = delete;
  IscsiSession& operator=(const IscsiSession&) = delete;

  uint32_t block_size() const { return block_size_; }
  uint64_t blocks() const { return blocks_; }
  bool alive() const { return alive_; }

  Result<std::string> Read(uint64_t block, uint32_t count, Deadline deadline);
  // Whole blocks, durably.
  Status Write(uint64_t block, const std::string& bytes, Deadline deadline);
  // COMPARE AND WRITE of one block; false is the target's MISCOMPARE. Asks
  // for the write to be on the medium; Synchronize makes sure.
  Result<bool> CompareAndWrite(uint64_t block, const std::string& expected,
                               const std::string& wanted, Deadline deadline);
  // Whether the target answers. Also answers what it asks us, so that it
  // does not take us for dead.
  Status Ping(Deadline deadline);
  // All that was written to these blocks by anybody is on the medium. Ok
  // for a target that has no cache and does not know the command.
  Status Synchronize(uint64_t block, uint32_t count, Deadline deadline);

 private:
  struct Reply;
  using Command = std::function<scsi_task*(iscsi_context*)>;

  IscsiSession(std::string url, std::stop_token stop);
  Status LogIn(const IscsiTarget& target, Deadline deadline);
  Status AskSize(Deadline deadline);
  // Runs the loop until `reply` is there; not ok, and dead, if it is not.
  Status Await(Reply& reply, Deadline deadline);
  // Sends a command, again if the target had news for us first (a unit
  // attention), and awaits its reply. Ok: the target answered, with `reply`.
  Status Run(const Command& command, Reply* reply, Deadline deadline);
  // The one line for a reply that is not GOOD; `what` failed.
  Status Refused(const std::string& what, const Reply& reply) const;
  Status Dead(const std::string& why);

  const std::string url_;
  std::stop_token stop_;
  iscsi_context* context_ = nullptr;
  int lun_ = 0;
  uint32_t block_size_ = 0;
  uint64_t blocks_ = 0;
  bool alive_ = true;
  // What libiscsi writes its reply to. Outlives context_, which calls back
  // for what was never answered.
  std::unique_ptr<Reply> pending_;
};

}  // namespace ft::fencing
