// SPDX-License-Identifier: GPL-2.0-or-later
//
// EnginePair: two real engines on this machine, one recording, one replaying,
// and in between a LogCarrier, instead of two ftds and a network. All of it
// runs on the test's thread.
//
//     EnginePair pair({.workload = "torture-tiny"});
//     ASSERT_TRUE(pair.StartPrimary());
//     ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
//     ASSERT_TRUE(pair.Clone());
//     ...
//
// A step that fails says so (in a test by ADD_FAILURE, naming the engine's own
// words) and returns false. Destruction ends both engines, whatever happened.
// After a failure the consoles, the engines' stderr, their command lines, both
// rings, the archived log and the primary's digests where it was compared (or
// was to be) stay, and the directory's name is printed.
//
// Four ways to run a guest:
//
//     streamed   Clone() and the backup replays what is carried at once
//     archived   .archive = true: the log is kept here while the backup
//                waits with an idle vCPU; Feed() then carries all of it
//     recorded   Record() instead of Clone(): snapshot, log and digests go
//                into a directory, to be replayed by replay/log_replay.h
//     plain      .plain = true: one engine, neither counting instructions
//                nor recording; what FT is measured against
//
// Needs the guest of tests/guest and the engine of replay/qemu; without them
// a test fails and says how to make them.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "logchannel/ring_doorbell.h"
#include "replay/engine.h"
#include "replay/log_recorder.h"
#include "tests/replay/console_watch.h"
#include "tests/replay/engine_guard.h"
#include "tests/replay/log_carrier.h"

namespace ft::replay {

// For one step of a story. A quiet machine needs a tenth of it; a test that
// fails for lack of CPU time would teach nothing.
inline constexpr std::chrono::seconds kPatience(100);

enum class Side { kPrimary, kBackup };

// ADD_FAILURE; what a step of a test calls when it fails.
void FailTest(const std::string& what);

struct PairOptions {
  // A file of tests/guest/workloads, and its ft.n.
  std::string workload = "torture-tiny";
  int rounds = 5;
  uint32_t memory_mib = 192;
  // One NIC, 10.9.0.2/24, on bridge br0 (network_bed.h).
  bool network = false;
  // A divergence is what the test is about, not a failure.
  bool may_diverge = false;
  // For the primary only: what it should refuse.
  std::vector<std::string> extra_arguments = {};
  // More words for the kernel's command line.
  std::string kernel_arguments = "";
  // Of the guest's directory.
  std::string kernel = "vmlinuz";
  std::string initrd = "initrd.gz";
  // As in VmDefinition. Both engines open the same images, unless the backup
  // has its own.
  std::string nic_model = kVirtioNet;
  std::vector<Disk> disks = {};
  std::vector<Disk> backup_disks = {};
  std::string video = kNoVideo;
  bool tablet = false;
  bool serial_input = false;
  // See the head of this file.
  bool plain = false;
  bool archive = false;
  // LogRing::SetDenseDigests.
  bool dense = false;
  // For Clone().
  CloneOptions clone = {};
  // Programs that are no tests have their own way to say it.
  std::function<void(const std::string&)> fail = FailTest;
};

class EnginePair {
 public:
  using Milliseconds = std::chrono::milliseconds;

  explicit EnginePair(PairOptions options);
  ~EnginePair();
  EnginePair(const EnginePair&) = delete;
  EnginePair& operator=(const EnginePair&) = delete;

  // Why the primary did not start; for tests of refusals.
  Status TryStartPrimary();

  bool StartPrimary();
  // Starts the backup, which then waits for a clone. Clone() does it if need
  // be; a test with threads does it before it has them (EngineGuard).
  bool PrepareBackup();
  // Clones the primary into the backup and begins to carry the log.
  bool Clone();
  // From here on there is no backup, but recording() (in evidence(), so it
  // is gone with this object unless something failed).
  bool Record();
  const Recording& recording() const { return recorder_->recording(); }
  // Stops and marks the primary, if it lives, and completes the recording.
  bool EndRecording();
  bool Protect();
  // Archived pairs: begins to carry the archive into the backup, as fast as
  // it replays; all of it and what comes after it, or up to a position.
  void Feed(uint64_t until = LogCarrier::kEverything);
  // While off, the backup gets nothing and acknowledges nothing.
  void SetPumping(bool on);
  bool Stop(Side side);
  // SIGKILL. What was not carried yet is lost, as with a host.
  void KillPrimary();
  // With everything that was carried over.
  bool GoLive();

  // Until the console has `text`; false when it does not come in time.
  bool WaitForConsole(Side side, const std::string& text,
                      Milliseconds timeout = kPatience);
  // Until the backup has executed everything that the primary committed.
  bool DrainBackup(Milliseconds timeout = kPatience);
  // Lets both engines run until `ready`; false after `timeout`.
  bool WaitUntil(const std::function<bool()>& ready, Milliseconds timeout);
  // Lets both engines run for so long.
  void Run(Milliseconds time) {
    WaitUntil([] { return false; }, time);
  }

  std::string Console(Side side);
  // When the first line that begins with `prefix` was complete.
  std::optional<ConsoleWatch::TimePoint> LineTime(Side side,
                                                  const std::string& prefix);
  pid_t EnginePid(Side side);
  // What the engine's threads have used so far.
  double CpuSeconds(Side side);
  // Zeroes (and a failure) when the engine does not answer.
  EngineState Query(Side side);
  MachineDigest Digest(Side side);
  Engine& engine(Side side) { return *Of(side).engine; }
  // The last divergence that the backup reported.
  const std::optional<Divergence>& divergence() const { return divergence_; }
  const CloneResult& clone_result() const { return clone_; }
  // The last that the primary said of a private disk while it was cloned.
  const std::optional<ReplicaProgress>& replica() const { return replica_; }
  // Where a backup that PrepareBackup() started listens.
  uint16_t clone_port() const { return clone_port_; }
  // The end of the log that was carried so far. After Clone().
  uint64_t carried() const {
    return recorder_ ? recorder_->carried() : carrier_->carried();
  }
  // Somebody else found a failure here: the evidence stays.
  void KeepAll() { failed_ = true; }
  // For whoever replays a recording; gone with this object, and with this
  // process.
  const std::string& ring_directory() const { return ring_dir_; }
  // This process did nothing for so long that an engine paused its VM: what
  // failed after that says nothing about engines.
  bool stood_still() const { return stood_still_; }
  // Something went wrong here; evidence is kept in this directory.
  bool failed() const { return failed_; }
  const std::string& evidence() const { return log_dir_; }
  // With serial_input: where the engine listens for it.
  const std::string& serial_path(Side side) {
    return Of(side).options.serial_path;
  }
  // Why the engine has ended; empty while it lives.
  const std::string& exit_reason(Side side) { return Of(side).exit_reason; }

  // In the middle of a run: the primary stands still while its digest and the
  // backup's at the same position are compared. Of an archived pair only the
  // primary's is taken now, and compared when that much has been fed; of a
  // recorded one it becomes a mark of the recording.
  bool CompareHere();
  // Stops the primary, drains the backup (fed first, if the log is archived),
  // and expects equal digests and that the backup's console is what the
  // primary's became since the clone.
  void ExpectIdentical();

  boost::asio::io_context& io() { return io_; }
  // Runs one coroutine to its end.
  template <typename T>
  T Await(boost::asio::awaitable<T> coroutine) {
    std::optional<T> result;
    boost::asio::co_spawn(io_, Keep(std::move(coroutine), result),
                          [](std::exception_ptr error) {
                            if (error) std::rethrow_exception(error);
                          });
    io_.restart();
    while (!result) io_.run_one();
    return std::move(*result);
  }

 private:
  class Listener;
  struct Machine {
    EngineOptions options;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<EngineProcess> plain;  // instead of `engine`
    std::unique_ptr<ConsoleWatch> console;
    std::unique_ptr<logchannel::RingDoorbell> bell;
    std::unique_ptr<EngineGuard> guard;
    std::string exit_reason;  // once it has ended
  };

  // co_spawn itself would want a T without a value.
  template <typename T>
  static boost::asio::awaitable<void> Keep(boost::asio::awaitable<T> coroutine,
                                           std::optional<T>& result) {
    result.emplace(co_await std::move(coroutine));
  }

  Machine& Of(Side side) { return side == Side::kPrimary ? primary_ : backup_; }
  EngineOptions OptionsFor(const std::string& who) const;
  Status Start(Machine& machine);
  Status StartPlain(Machine& machine);
  Status StartBackup(uint16_t port);
  void Spawn(boost::asio::awaitable<void> coroutine, const char* name);
  bool DrainBackupTo(uint64_t position, Milliseconds timeout = kPatience);
  // The primary's digest at its end goes into marks_.
  bool StopAndMark();
  bool CompareNextMark();
  boost::asio::awaitable<void> Beat();
  void EndEngine(Machine& machine);
  void KeepRegisters();
  void KeepEvidence();
  Status Report(const std::string& what, const Status& status);
  void Fail(const std::string& what);

  const PairOptions pair_options_;
  std::string log_dir_;   // consoles, stderr, QMP sockets
  std::string ring_dir_;  // on tmpfs
  boost::asio::io_context io_;
  Machine primary_;
  Machine backup_;
  std::unique_ptr<Listener> primary_listener_;
  std::unique_ptr<Listener> backup_listener_;

  CloneResult clone_;
  std::optional<uint64_t> followed_;  // FT_FOLLOW's position
  std::optional<Divergence> divergence_;
  std::optional<ReplicaProgress> replica_;
  uint16_t clone_port_ = 0;
  std::optional<LogCarrier> carrier_;    // from the clone on
  std::optional<LogRecorder> recorder_;  // instead, when recording
  std::deque<MachineDigest> marks_;      // of the primary, to be compared
  std::vector<std::string> all_marks_;   // for the evidence
  bool fed_all_ = false;                 // Feed() of everything has begun
  bool ending_ = false;
  bool failed_ = false;
  bool stood_still_ = false;
  int coroutines_ = 0;  // the carrier's and Beat, while they live
};

}  // namespace ft::replay
