// SPDX-License-Identifier: GPL-2.0-or-later
//
// FileTestAndSet: the test-and-set on a directory of a shared POSIX file
// system (NFS, GFS2, CephFS, or a local one for two hosts on one machine).
//
// One file per VM and epoch; the newest is the record, a file once there is
// never changed:
//
//     /srv/lockstep/
//         vm1.00000000000000000007
//         vm1.00000000000000000008       <- the record of vm1, see
//         vm2.00000000000000000001          file_record.h
//         .vm1.hostB.4711.3.tmp          <- hostB, process 4711, at work
//
// The atomic step is link(2) of a finished, synced temporary file to the
// name of the next epoch: it fails if the name exists, on every POSIX file
// system and over NFS. Not rename(2), which replaces; not O_EXCL, which
// would show a record before its content.
//
// What an outsider may observe when a contender dies, and what it means:
//     .tmp only, no record N+1        it has not won; anyone may
//     record N+1, .tmp beside it      it has won, at that link
//     record N+1 lost in a power      nobody was told kAcquired: the
//     failure of the store            directory is synced before any answer
//
// Records older than the last `kKeptRecords` and temporary files that were
// left an hour ago are removed after a change. A contender so late that its
// name was pruned links an old epoch again: hence the newest record is read
// again after every link, and only that decides.
//
// NFS: mount hard, with lookupcache=none and actimeo=0, so that no client
// answers from its cache.
#pragma once

#include <string>
#include <vector>

#include "fencing/record_test_and_set.h"

namespace ft::fencing {

class FileTestAndSet : public RecordTestAndSet {
 public:
  // How many records of a VM are kept: enough to tell the story of the last
  // failovers with `ls -l`, few enough to list at once.
  static constexpr size_t kKeptRecords = 8;

  // Does not touch the directory; Probe does.
  explicit FileTestAndSet(std::string directory);

  // Whether the directory is there and a file can be written, synced,
  // linked and removed in it.
  Status Probe() override;

  const std::string& directory() const { return directory_; }

 private:
  // The one line for an errno of this directory; `what` failed.
  Status Unusable(const std::string& what, int error) const;
  // The record, or the epoch expected of it, shows another store than ours.
  Status TooOld(const std::string& vm, uint64_t expected, uint64_t found) const;

  // A file system has no deadlines: a call ends when it answers.
  Result<std::optional<VmRecord>> Newest(const std::string& vm,
                                         Deadline deadline) override;
  Result<VmRecord> Change(uint64_t expected_epoch, const VmRecord& wanted,
                          const std::string& writer,
                          Deadline deadline) override;
  // Temporary file, sync, link. Ok also if the name was taken: the newest
  // record decides. `writer` names the temporary file.
  Status Publish(const VmRecord& record, const std::string& writer);
  Status SyncDirectory();

  // Epochs for which a record of `vm` exists, ascending.
  Result<std::vector<uint64_t>> Epochs(const std::string& vm);
  // The record of one epoch; none if there is no such file.
  Result<std::optional<VmRecord>> ReadEpoch(const std::string& vm,
                                            uint64_t epoch);
  void Prune(const VmRecord& newest);

  const std::string directory_;
};

}  // namespace ft::fencing
