// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/iscsi_session.h"

// libiscsi's headers are C and expect these first.
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>
#include <utility>

#include "logchannel/check.h"

namespace ft::fencing {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// After a login a target may have several pieces of news for an initiator
// (power on, reset, changed sizes), one for each command until all are told.
constexpr int kTries = 8;
constexpr milliseconds kLogoutTimeout{100};
// How often a wait looks whether it is to stop.
constexpr milliseconds kLook{50};

struct FreeTask {
  void operator()(scsi_task* task) const { scsi_free_scsi_task(task); }
};
using ScopedTask = std::unique_ptr<scsi_task, FreeTask>;

std::string Hex(const char* format, int value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// libiscsi's lines may end in one.
std::string OneLine(const char* text) {
  std::string line = text != nullptr ? text : "";
  std::replace(line.begin(), line.end(), '\n', ' ');
  line.resize(line.find_last_not_of(' ') + 1);
  return line.empty() ? "the target hung up" : line;
}

}  // namespace

// Filled in by libiscsi's callback.
struct IscsiSession::Reply {
  bool done = false;
  int status = SCSI_STATUS_ERROR;
  scsi_sense sense = {};
  ScopedTask task;

  static void Done(iscsi_context*, int status, void*, void* reply) {
    static_cast<Reply*>(reply)->status = status;
    static_cast<Reply*>(reply)->done = true;
  }
  // The target answered, as opposed to libiscsi.
  bool answered() const { return status >= 0 && status <= 0xff; }
  bool news() const {
    return status == SCSI_STATUS_CHECK_CONDITION &&
           sense.key == SCSI_SENSE_UNIT_ATTENTION;
  }
  bool has(scsi_sense_key key) const {
    return status == SCSI_STATUS_CHECK_CONDITION && sense.key == key;
  }
};

IscsiSession::IscsiSession(std::string url, std::stop_token stop)
    : url_(std::move(url)),
      stop_(std::move(stop)),
      pending_(std::make_unique<Reply>()) {}

IscsiSession::~IscsiSession() {
  if (context_ == nullptr) return;
  stop_ = std::stop_token();
  const Deadline deadline = steady_clock::now() + kLogoutTimeout;
  *pending_ = Reply();
  if (iscsi_logout_async(context_, &Reply::Done, pending_.get()) == 0) {
    (void)Await(*pending_, deadline);
  }
  if (context_ != nullptr) iscsi_destroy_context(context_);
}

Status IscsiSession::Dead(const std::string& why) {
  alive_ = false;
  if (context_ != nullptr) iscsi_destroy_context(context_);
  context_ = nullptr;
  return Status::Unavailable("iSCSI LUN " + url_ + ": " + why,
                             "check the target and the network to it");
}

Result<std::unique_ptr<IscsiSession>> IscsiSession::Open(
    const IscsiTarget& target, Deadline deadline, std::stop_token stop) {
  std::unique_ptr<IscsiSession> session(
      new IscsiSession(target.url, std::move(stop)));
  Status status = session->LogIn(target, deadline);
  if (status.ok()) status = session->AskSize(deadline);
  if (!status.ok()) return status;
  return session;
}

Status IscsiSession::LogIn(const IscsiTarget& target, Deadline deadline) {
  context_ = iscsi_create_context(target.initiator.c_str());
  if (context_ == nullptr) return Dead("out of memory");
  iscsi_url* url = iscsi_parse_full_url(context_, url_.c_str());
  if (url == nullptr) {
    return Status::Invalid("'" + url_ + "' is not the URL of a LUN",
                           "write iscsi://HOST[:PORT]/TARGET/LUN");
  }
  lun_ = url->lun;
  const std::string portal = url->portal;
  iscsi_set_targetname(context_, url->target);
  iscsi_destroy_url(url);  // needs the context
  iscsi_set_noautoreconnect(context_, 1);
  // A second session with the identifier of the first would end that one;
  // libiscsi's own random numbers are the same after a fork.
  std::random_device random;
  iscsi_set_isid_random(context_, random() & 0xffffff, random() & 0xffff);
  iscsi_set_session_type(context_, ISCSI_SESSION_NORMAL);
  iscsi_set_header_digest(context_, ISCSI_HEADER_DIGEST_NONE_CRC32C);
  if (!target.user.empty()) {
    iscsi_set_initiator_username_pwd(context_, target.user.c_str(),
                                     target.password.c_str());
  }
  *pending_ = Reply();
  if (iscsi_full_connect_async(context_, portal.c_str(), lun_, &Reply::Done,
                               pending_.get()) != 0) {
    return Dead(OneLine(iscsi_get_error(context_)));
  }
  if (Status s = Await(*pending_, deadline); !s.ok()) return s;
  if (pending_->status == SCSI_STATUS_GOOD) return Status::Ok();
  return Dead("cannot log in: " + OneLine(iscsi_get_error(context_)));
}

Status IscsiSession::AskSize(Deadline deadline) {
  Reply reply;
  Status status = Run(
      [this](iscsi_context* context) {
        return iscsi_readcapacity16_task(context, lun_, &Reply::Done,
                                         pending_.get());
      },
      &reply, deadline);
  if (!status.ok()) return status;
  if (reply.status != SCSI_STATUS_GOOD) return Refused("READ CAPACITY", reply);
  const auto* size = static_cast<const scsi_readcapacity16*>(
      scsi_datain_unmarshall(reply.task.get()));
  if (size == nullptr) return Dead("its size makes no sense");
  block_size_ = size->block_length;
  blocks_ = size->returned_lba + 1;
  if (block_size_ == 512 || block_size_ == 4096) return Status::Ok();
  return Dead("blocks of " + std::to_string(block_size_) +
              " bytes, not of 512 or 4096");
}

Status IscsiSession::Await(Reply& reply, Deadline deadline) {
  while (!reply.done) {
    const auto left = ceil<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return Dead("no answer in time");
    pollfd ready = {.fd = iscsi_get_fd(context_),
                    .events = static_cast<short>(iscsi_which_events(context_)),
                    .revents = 0};
    if (stop_.stop_requested()) return Dead("nobody waits any more");
    const int n =
        poll(&ready, 1, static_cast<int>(std::min(left, kLook).count()));
    if (n < 0 && errno != EINTR) return Dead(std::strerror(errno));
    if (n > 0 && iscsi_service(context_, ready.revents) != 0) {
      return Dead(OneLine(iscsi_get_error(context_)));
    }
  }
  return Status::Ok();
}

Status IscsiSession::Run(const Command& command, Reply* reply,
                         Deadline deadline) {
  if (context_ == nullptr) return Dead("the session was lost");
  for (int i = 0; i < kTries; ++i) {
    *pending_ = Reply();
    // libiscsi answers for it, at the latest when its context is destroyed:
    // the task goes after that.
    pending_->task.reset(command(context_));
    if (!pending_->task) return Dead(OneLine(iscsi_get_error(context_)));
    if (Status s = Await(*pending_, deadline); !s.ok()) return s;
    if (!pending_->answered()) return Dead("the session was lost");
    pending_->sense = pending_->task->sense;
    if (!pending_->news()) break;
  }
  *reply = std::move(*pending_);
  *pending_ = Reply();
  return Status::Ok();
}

Status IscsiSession::Refused(const std::string& what,
                             const Reply& reply) const {
  const std::string subject = "iSCSI LUN " + url_;
  const scsi_sense& sense = reply.sense;
  if (reply.status == SCSI_STATUS_RESERVATION_CONFLICT) {
    return Status::Unavailable(subject + " is reserved by another initiator",
                               "use a LUN that nobody else uses");
  }
  if (reply.status != SCSI_STATUS_CHECK_CONDITION) {
    return Status::Unavailable(subject + ": " + what + " failed, " +
                                   Hex("status 0x%02x", reply.status),
                               "the target is busy or broken; look at its log");
  }
  if (sense.key == SCSI_SENSE_DATA_PROTECTION) {
    return Status::Unavailable(subject + " is write-protected",
                               "let the target export it for writing");
  }
  if (sense.ascq == SCSI_SENSE_ASCQ_INVALID_OPERATION_CODE) {
    return Status::Unavailable(
        subject + ": the target knows no " + what,
        "use a target that has it (LIO, istgt, an array with VAAI)");
  }
  return Status::Unavailable(
      subject + ": " + what + " failed, " +
          Hex("sense key 0x%x, ", static_cast<int>(sense.key)) +
          Hex("code 0x%04x", sense.ascq),
      "look at the target's log");
}

Result<std::string> IscsiSession::Read(uint64_t block, uint32_t count,
                                       Deadline deadline) {
  const uint32_t bytes = count * block_size_;
  Reply reply;
  Status status = Run(
      [&](iscsi_context* context) {
        return iscsi_read16_task(context, lun_, block, bytes,
                                 static_cast<int>(block_size_), 0, 0, 0, 0, 0,
                                 &Reply::Done, pending_.get());
      },
      &reply, deadline);
  if (!status.ok()) return status;
  if (reply.status != SCSI_STATUS_GOOD) return Refused("READ", reply);
  const scsi_data& data = reply.task->datain;
  if (data.size != static_cast<int>(bytes)) return Dead("READ was cut short");
  return std::string(reinterpret_cast<const char*>(data.data), bytes);
}

Status IscsiSession::Write(uint64_t block, const std::string& bytes,
                           Deadline deadline) {
  FT_CHECK(bytes.size() % block_size_ == 0) << bytes.size();
  std::string data = bytes;  // libiscsi's interface wants it writable
  Reply reply;
  Status status = Run(
      [&](iscsi_context* context) {
        return iscsi_write16_task(
            context, lun_, block, reinterpret_cast<unsigned char*>(data.data()),
            static_cast<uint32_t>(data.size()), static_cast<int>(block_size_),
            0, 0, 0, 0, 0, &Reply::Done, pending_.get());
      },
      &reply, deadline);
  if (!status.ok()) return status;
  if (reply.status != SCSI_STATUS_GOOD) return Refused("WRITE", reply);
  return Synchronize(block, static_cast<uint32_t>(bytes.size() / block_size_),
                     deadline);
}

Result<bool> IscsiSession::CompareAndWrite(uint64_t block,
                                           const std::string& expected,
                                           const std::string& wanted,
                                           Deadline deadline) {
  FT_CHECK(expected.size() == block_size_ && wanted.size() == block_size_)
      << expected.size() << wanted.size();
  std::string data = expected + wanted;
  Reply reply;
  Status status = Run(
      [&](iscsi_context* context) {
        return iscsi_compareandwrite_task(
            context, lun_, block, reinterpret_cast<unsigned char*>(data.data()),
            static_cast<uint32_t>(data.size()), static_cast<int>(block_size_),
            0, 0, /*fua=*/1, 0, 0, &Reply::Done, pending_.get());
      },
      &reply, deadline);
  if (!status.ok()) return status;
  if (reply.has(SCSI_SENSE_MISCOMPARE)) return false;
  if (reply.status == SCSI_STATUS_GOOD) return true;
  return Refused("COMPARE AND WRITE", reply);
}

Status IscsiSession::Ping(Deadline deadline) {
  Reply reply;
  return Run(
      [&](iscsi_context* context) {
        return iscsi_testunitready_task(context, lun_, &Reply::Done,
                                        pending_.get());
      },
      &reply, deadline);
}

Status IscsiSession::Synchronize(uint64_t block, uint32_t count,
                                 Deadline deadline) {
  Reply reply;
  Status status = Run(
      [&](iscsi_context* context) {
        return iscsi_synchronizecache16_task(context, lun_, block, count, 0, 0,
                                             &Reply::Done, pending_.get());
      },
      &reply, deadline);
  if (!status.ok()) return status;
  const bool unknown =
      reply.has(SCSI_SENSE_ILLEGAL_REQUEST) &&
      reply.sense.ascq == SCSI_SENSE_ASCQ_INVALID_OPERATION_CODE;
  if (reply.status == SCSI_STATUS_GOOD || unknown) return Status::Ok();
  return Refused("SYNCHRONIZE CACHE", reply);
}

}  // namespace ft::fencing
