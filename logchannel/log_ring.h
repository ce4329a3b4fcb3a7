// SPDX-License-Identifier: GPL-2.0-or-later
//
// LogRing: ftd's side of the log ring that it shares with one engine.
//
// ring_layout.h draws the file, the positions and the doorbell protocol. The
// engine creates the ring; ftd attaches, and may die and attach again: every
// position is in the shared memory, none here. Which methods are meant
// depends on direction():
//
//   record (the VM is live here)        replay (this host is the backup)
//     ReadEntries from `sent`             AppendEntries at committed()
//     Acknowledge what the backup has     SetPeerReleased from the primary
//     wait for committed() to move        wait for consumed() to move
//
// To wait (RingDoorbell in ring_doorbell.h does this for coroutines):
//
//     ring.PrepareToSleep();
//     while (nothing to do, by a fresh look at the positions) {
//       poll ring.doorbell_fd() for POLLIN, and read from it;
//       ring.PrepareToSleep();
//     }
//     ring.CancelSleep();
//
// What lies in the shared memory is foreign: an engine gone wrong, or whoever
// else can write the file, may leave anything there. Every word is checked
// where it is used, and entries after they were copied; damage is a Status
// that names the ring, what was found and what was expected. It costs that
// VM, not ftd and its other VMs. FT_CHECK is for what ftd itself gets wrong.
// (A file that is cut short under the mapping ends ftd by SIGBUS.)
//
// Used from one thread (the io_context's). The shared words are read and
// written with sequentially consistent atomics; nothing else is shared.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "logchannel/log_entry.h"
#include "logchannel/ring_layout.h"
#include "logchannel/scoped_fd.h"
#include "logchannel/status.h"

namespace ft::logchannel {

enum class Direction : uint32_t {
  // The engine runs the VM and records. Entered at its start without
  // -incoming, and at go live.
  kRecord = FT_RING_RECORD,
  // The engine replays what ftd appends. Entered when a clone has been
  // loaded (event FT_FOLLOW), left at go live, never returned to.
  kReplay = FT_RING_REPLAY,
};

enum class LogMode : uint32_t {
  // Nobody reads the log; the engine frees space itself. Entered at start,
  // by x-ft-unprotect, by a failed clone and at go live.
  kDiscard = FT_LOG_DISCARD,
  // Entries stay until acknowledged. Entered at the position of a clone.
  kKeep = FT_LOG_KEEP,
};

// The doorbells beside a ring file, and all of them.
std::string ToFtdPath(const std::string& ring_path);
std::string ToEnginePath(const std::string& ring_path);
std::string ToStoragePath(const std::string& ring_path);
std::array<std::string, 3> DoorbellPaths(const std::string& ring_path);

class LogRing {
 public:
  // Maps an engine's ring and opens its doorbells. Invalid when the file is
  // not a ring of this version or its size is not what its header says;
  // Unavailable when a file is missing or cannot be opened. Attaching changes
  // no shared word.
  static Result<std::unique_ptr<LogRing>> Attach(const std::string& path);
  ~LogRing();
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  // --- Facts, constant for the life of the ring.
  const std::string& path() const { return path_; }
  uint64_t data_size() const { return data_size_; }
  std::string engine_build() const;
  pid_t engine_pid() const;

  // --- Shared state, read afresh at every call.
  Direction direction() const;
  LogMode log_mode() const;
  // The output rule is in force.
  bool holding() const;
  LogPosition committed() const;     // grows; see ring_layout.h for writers
  LogPosition consumed() const;      // replay: executed by the engine
  LogPosition acknowledged() const;  // record: everything before is free
  LogPosition released() const;      // outputs at or below it have left
  LogPosition peer_released() const;
  LogPosition replayed() const;  // record: carried out by the backup
  uint64_t owner_beat() const;
  // Replay: how many bytes AppendEntries can take now. All of the ring where
  // positions are damaged: AppendEntries will say so.
  size_t free_bytes() const;
  // The words that never change, and `expected`, are what they were: a
  // ring that was written over is noticed even when nothing is read from it.
  Status CheckHeader(Direction expected) const;

  // --- Record.
  // Copies whole entries, oldest first, from log offset `from` on, as many
  // as are committed and fit; returns their total size, 0 if from is
  // committed(). `from` lies between two entries, at or after
  // acknowledged(). `out` has room for at least kEntryBytesMax (FT_CHECK),
  // so a committed entry always fits and a caller that loops moves forward.
  // Only while the log is kept: stop reading before x-ft-unprotect, after
  // which the engine frees entries that nobody has read.
  // Invalid where `from` is not in the ring, or what lies there is no log.
  // In the direction replay, for who looks at a log after the fact, the ring
  // has what was appended since the clone and is not overwritten yet.
  Result<size_t> ReadEntries(LogPosition from, std::span<std::byte> out) const;
  // The backup holds everything before `position`, which was read from here.
  // Monotonic: an older position changes nothing. Lets the engine release
  // outputs and reuse the space; rings its doorbell. Invalid, and nothing
  // changed, where the ring has less, or another direction.
  Status Acknowledge(LogPosition position);
  // The backup's engine has carried out the log before `position`. Monotonic.
  // Lets the engine change what the backup has read (ring_layout.h); rings
  // its doorbell if it waits for that.
  void SetReplayed(LogPosition position);
  // The output lease, as ring_layout.h's lease_until: nanoseconds of
  // CLOCK_BOOTTIME, 0 or kNoLease. Before the Acknowledge() that it goes
  // with. Rings nobody: what an ended lease keeps back is looked at again
  // at the next Acknowledge() that moves, or WakeEngine().
  static constexpr uint64_t kNoLease = UINT64_MAX;
  void SetLease(uint64_t until_ns);
  uint64_t lease_until() const;
  void WakeEngine();
  // The vCPU rests for `permille` of the time, at most FT_RING_PACE_MAX.
  // Stands until it is changed; without effect while the log is discarded.
  void SetPace(uint32_t permille);
  // Digests of everything with each tenure of the vCPU, instead of the steady
  // ones. Stands until it is changed; without effect while the log is
  // discarded.
  void SetDenseDigests(bool dense);

  // --- Replay.
  // Appends whole entries (validated by the caller: they came from a peer;
  // FT_CHECKed again here), publishes them and rings the engine's doorbell.
  // `first` is where the last ones ended. All or nothing: false if there is
  // no room, then wait for consumed() to move and call again. Invalid where
  // the ring's positions or direction are not what this side left there.
  Result<bool> AppendEntries(LogPosition first,
                             std::span<const std::byte> entries);
  // The primary released every output at or below `position`. Monotonic.
  void SetPeerReleased(LogPosition position);

  // --- Both.
  // ftd lives; call at least every 100 ms.
  void Beat();

  // --- Waiting for the engine; see the class comment.
  // Readable after the engine rang. Owned by the ring.
  int doorbell_fd() const { return to_ftd_.get(); }
  // From now on the engine rings once when it moves a position. The caller
  // must look at the positions once more before it waits.
  void PrepareToSleep();
  // Awake: the engine rings no more until PrepareToSleep(). Without a system
  // call: a byte that is on its way, or was not read, stays in the doorbell
  // and costs the next sleep one needless look.
  void CancelSleep();

 private:
  LogRing(std::string path, ft_ring* ring, uint64_t data_size, ScopedFd to_ftd,
          ScopedFd to_engine, ScopedFd to_storage);

  // "log ring PATH is damaged: " and `what`.
  Status Damaged(const std::string& what) const;
  // The size of the whole entries in `bytes`, copied from `from` on.
  Result<size_t> WholeEntries(std::span<const std::byte> bytes,
                              LogPosition from, LogPosition committed) const;
  void RingEngine();
  static void Ring(uint32_t& sleeping, const ScopedFd& doorbell);
  // Between log offsets and plain memory, around the ring's end.
  void CopyOut(LogPosition from, std::span<std::byte> out) const;
  void CopyIn(LogPosition to, std::span<const std::byte> bytes);

  const std::string path_;
  ft_ring* const ring_;  // the header page, start of the mapping
  std::byte* const data_;
  const uint64_t data_size_;
  ScopedFd to_ftd_;
  ScopedFd to_engine_;
  ScopedFd to_storage_;
};

}  // namespace ft::logchannel
