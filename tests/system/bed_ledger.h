// SPDX-License-Identifier: GPL-2.0-or-later
//
// The ledger: the file that lists what a bed has made, so that whoever
// cleans up knows exactly that and nothing else.
//
//     /run/lockstep-bed/<run>.ledger      one fact per line, only appended
//         owner PID STARTTIME             the process that made the bed
//         netns NAME                      /run/netns/NAME
//         mount DIR                       umount before removing
//         volatile DIR                    removed always (rings on tmpfs)
//         files DIR                       removed unless the run failed
//         keep                            the run failed: keep `files`
//
// A line is written *before* its thing is made, so that a crash between the
// two leaves a line too many, never a thing too many. Cleaning reads the
// lines from the top: every process inside a listed namespace is killed (the
// bed made the namespace, so whatever lives there is the bed's), namespaces
// are deleted, mounts taken away, directories removed, the ledger last.
//
// Three may clean, each does all of it, and doing it twice is harmless:
//   1. the bed's destructor, on every orderly way out;
//   2. the janitor, a detached process that holds one end of a pipe whose
//      other end is the owner's: it wakes when the owner is gone, however it
//      went (exit, signal, SIGKILL, crash), and cleans if a ledger is left;
//   3. the next bed, or `lockstep_bed sweep`, for a ledger whose owner and
//      janitor were both killed (a power cut leaves no /run and no netns).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ft::bed {

class BedLedger {
 public:
  // Opens a new ledger owned by this process. `run` is unique per bed.
  explicit BedLedger(const std::string& run);
  ~BedLedger();
  BedLedger(const BedLedger&) = delete;
  BedLedger& operator=(const BedLedger&) = delete;

  void AddNamespace(const std::string& name);
  void AddMount(const std::string& dir);
  void AddVolatileDirectory(const std::string& dir);
  void AddFiles(const std::string& dir);
  // The `files` directories stay after the clean-up.
  void KeepFiles();
  const std::string& path() const { return path_; }

  // Cleans up after the ledger at `path`. Returns what could not be
  // cleaned, one line each; the ledger stays then.
  static std::vector<std::string> CleanUp(const std::string& path);
  // Ledgers whose owner no longer lives.
  static std::vector<std::string> Orphans();
  // Body of the janitor: waits until `owner_pipe` reports the owner's end.
  static void JanitorMain(const std::string& path, int owner_pipe);

 private:
  void Append(const std::string& line);
  void StartJanitor();

  const std::string path_;
  int fd_ = -1;
  int janitor_pipe_ = -1;  // closed by the kernel when this process ends
};

// Processes whose network namespace is /run/netns/NAME.
std::vector<pid_t> ProcessesInNamespace(const std::string& name);

}  // namespace ft::bed
