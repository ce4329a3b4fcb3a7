// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/archive_ring.h"

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "logchannel/archived_log.h"
#include "logchannel/log_ring.h"

namespace ft::host {
namespace {

using logchannel::ArchivedLogWriter;
using logchannel::LogRing;

Status CopyAll(const LogRing& ring, ArchivedLogWriter& archive) {
  std::vector<std::byte> buffer(logchannel::kEntryBytesMax);
  for (;;) {
    auto size = ring.ReadEntries(archive.end(), buffer);
    if (!size.ok()) return size.status();
    if (*size == 0) return archive.Finish();
    const std::span<const std::byte> entries(buffer.data(), *size);
    if (auto status = archive.Append(entries); !status.ok()) return status;
  }
}

Status Archive(const std::string& ring_path, const std::string& vm,
               const backup::LogToKeep& log, const std::string& path) {
  auto ring = LogRing::Attach(ring_path);
  if (!ring.ok()) return ring.status();
  logchannel::ArchivedLogHead head;
  head.set_vm(vm);
  head.set_engine_build((*ring)->engine_build());
  head.set_epoch(log.epoch);
  head.set_first(log.first);
  head.set_clone(log.clone);
  head.set_why(log.why);
  auto archive = ArchivedLogWriter::Create(path, std::move(head));
  if (!archive.ok()) return archive.status();
  return CopyAll(**ring, **archive);
}

}  // namespace

Status ArchiveRing(const std::string& ring_path, const std::string& vm,
                   const backup::LogToKeep& log, const std::string& path) {
  const std::string next = path + ".new";
  Status done = Archive(ring_path, vm, log, next);
  std::error_code error;
  if (done.ok()) std::filesystem::rename(next, path, error);
  if (done.ok() && !error) return done;
  std::error_code ignored;
  std::filesystem::remove(next, ignored);
  return Status::Unavailable("cannot keep the log of the divergence in " +
                             path + ": " +
                             (done.ok() ? error.message() : done.message()));
}

}  // namespace ft::host
