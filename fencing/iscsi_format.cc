// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/iscsi_format.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

#include "fencing/iscsi_layout.h"

namespace ft::fencing {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

// A few MiB over any network that a LUN is reached by.
constexpr seconds kTimeout{30};
// File systems, partition tables and volume managers have their marks in the
// first or the last MiB.
constexpr uint64_t kMarks = 1 << 20;
// Within what every target takes in one command.
constexpr uint64_t kBytesAtOnce = 64 << 10;

Deadline InTime() { return steady_clock::now() + kTimeout; }

// The first block of `count` from `first` on that is not blank; `count` if
// all are.
Result<uint64_t> FirstUsed(IscsiSession& session, uint64_t first,
                           uint64_t count) {
  const uint64_t at_once = kBytesAtOnce / session.block_size();
  for (uint64_t i = 0; i < count; i += at_once) {
    const uint64_t n = std::min(at_once, count - i);
    const Result<std::string> bytes =
        session.Read(first + i, static_cast<uint32_t>(n), InTime());
    if (!bytes.ok()) return bytes.status();
    const size_t used = bytes.value().find_first_not_of('\0');
    if (used != std::string::npos) return i + used / session.block_size();
  }
  return count;
}

Status Blank(IscsiSession& session, uint64_t first, uint64_t count) {
  const uint64_t at_once = kBytesAtOnce / session.block_size();
  for (uint64_t i = 0; i < count; i += at_once) {
    const std::string zeroes(
        std::min(at_once, count - i) * session.block_size(), '\0');
    Status status = session.Write(first + i, zeroes, InTime());
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Status RefuseUsed(IscsiSession& session, const std::string& url) {
  const std::string subject = "iSCSI LUN " + url;
  const Result<std::string> header = session.Read(0, 1, InTime());
  if (!header.ok()) return header.status();
  if (iscsi::LookAtHeader(*header) == iscsi::HeaderIs::kOurs) {
    return Status::Invalid(subject + " is formatted already",
                           "use it; --force forgets all its records, which "
                           "is safe only while none of its VMs runs anywhere");
  }
  const uint64_t marks = kMarks / session.block_size();
  const uint64_t front = std::min<uint64_t>(
      session.blocks(), std::max<uint64_t>(marks, iscsi::kBlocks));
  const uint64_t back = std::min(marks, session.blocks());
  for (const auto& [first, count] :
       {std::pair(uint64_t{0}, front),
        std::pair(session.blocks() - back, back)}) {
    const Result<uint64_t> used = FirstUsed(session, first, count);
    if (!used.ok()) return used.status();
    if (*used == count) continue;
    return Status::Invalid(
        subject + " is not empty: there is something in block " +
            std::to_string(first + *used),
        "give Lockstep a LUN of its own; --force overwrites what is there");
  }
  return Status::Ok();
}

// Block of text that says who uses the scratch records.
std::string ClaimBlock(uint32_t block_size) {
  char host[64] = {};
  gethostname(host, sizeof host - 1);
  char text[160];
  std::snprintf(text, sizeof text,
                "ftctl fencing test: process %d on %s, since %lld", getpid(),
                host, static_cast<long long>(time(nullptr)));
  std::string block = text;
  block.resize(block_size, '\0');
  return block;
}

std::string Printable(std::string_view block) {
  std::string text(block.substr(0, block.find('\0')).substr(0, 160));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace

Status FormatIscsi(const IscsiTarget& target, bool force) {
  auto opened = IscsiSession::Open(target, InTime());
  if (!opened.ok()) return opened.status();
  IscsiSession& session = **opened;
  if (session.blocks() < iscsi::kBlocks) {
    return Status::Invalid(
        "iSCSI LUN " + target.url + " has " + std::to_string(session.blocks()) +
            " blocks",
        "make it one of " + std::to_string(iscsi::kBlocks) + " blocks or more");
  }
  if (!force) {
    if (Status s = RefuseUsed(session, target.url); !s.ok()) return s;
  }
  if (Status s = Blank(session, 0, iscsi::kBlocks); !s.ok()) return s;
  return session.Write(0, iscsi::EncodeHeader(session.block_size()), InTime());
}

Result<IscsiScratch> IscsiScratch::Claim(const IscsiTarget& target,
                                         bool force) {
  auto opened = IscsiSession::Open(target, InTime());
  if (!opened.ok()) return opened.status();
  IscsiSession& session = **opened;
  const std::string claim = ClaimBlock(session.block_size());
  const Result<std::string> before =
      session.Read(iscsi::kScratchLockBlock, 1, InTime());
  if (!before.ok()) return before.status();
  if (!iscsi::IsBlank(*before) && !force) {
    return Status::Unavailable("the scratch records of " + target.url +
                                   " are in use (" + Printable(*before) + ")",
                               "wait for it; if it died, add --force");
  }
  const Result<bool> claimed = session.CompareAndWrite(
      iscsi::kScratchLockBlock, *before, claim, InTime());
  if (!claimed.ok()) return claimed.status();
  if (!*claimed) {
    return Status::Unavailable(
        "another test has just taken the scratch records of " + target.url,
        "wait for it");
  }
  IscsiScratch scratch(target, claim);
  if (Status s = scratch.Clear(); !s.ok()) return s;
  return scratch;
}

IscsiScratch::~IscsiScratch() {
  if (claim_.empty()) return;
  (void)Clear();
  auto session = IscsiSession::Open(target_, InTime());
  if (!session.ok()) return;
  (void)(*session)->CompareAndWrite(iscsi::kScratchLockBlock, claim_,
                                    std::string(claim_.size(), '\0'), InTime());
}

Status IscsiScratch::Clear() {
  auto session = IscsiSession::Open(target_, InTime());
  if (!session.ok()) return session.status();
  return Blank(**session, iscsi::kScratchTable.first,
               iscsi::kScratchTable.count);
}

}  // namespace ft::fencing
