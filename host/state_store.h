// SPDX-License-Identifier: GPL-2.0-or-later
//
// StateStore: what ftd must know about its VMs after its own death.
//
//     state_dir/
//       events.jsonl          EventLog's
//       vms/NAME/
//         vm.toml             the definition, as the operator wrote it
//         state.json          SavedState, replaced at every change
//         console.log         the guest's serial console
//         engine.log          the engine's stderr
//
// What an outsider may find after a crash:
//   - state.json missing, vm.toml there: defined, never started (or a backup's
//     definition that arrived with a Hello).
//   - state.json.new there: ftd died while writing it; state.json is the
//     earlier state, whole. The next write replaces the leftover.
//   - vms/NAME without vm.toml: an undefine was interrupted; the directory is
//     ignored and the next define uses it.
// state.json is written to state.json.new, fsynced, renamed and the directory
// fsynced, so it is always one whole version.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/disk_history.h"
#include "host/vm_state.h"
#include "logchannel/status.h"

namespace ft::host {

// Everything that Vm needs to find its engine again.
struct SavedState {
  VmCondition condition;
  // The engine that ran last; 0 when none. Pids are used again: whoever
  // attaches checks what process it is (replay::EngineProcess::Adopt).
  pid_t engine_pid = 0;
  // The output rule was in force: a restarted ftd must arbitrate before the
  // VM may continue alone.
  bool holding = false;
  // The record is (or was) this host's: stop has something to release.
  bool owns_record = false;
  // Of its private disks, if it has any.
  DiskHistory disks;
};

// The text of state.json, and back: nothing if it is not one. A field that is
// missing or makes no sense is that of a VM that never ran. Pure.
std::string FormatState(const SavedState& state);
std::optional<SavedState> ParseState(std::string_view text);

class StateStore {
 public:
  explicit StateStore(std::string state_dir);

  // Creates the directories and proves that they can be written.
  Status Open();

  // Directory of one VM; created when missing.
  std::string VmDir(const std::string& vm) const;
  std::string DefinitionPath(const std::string& vm) const;

  // Names of all defined VMs, sorted.
  std::vector<std::string> List() const;
  // Both are durable when they return ok.
  Status SaveDefinition(const std::string& vm, const std::string& toml);
  Status SaveState(const std::string& vm, const SavedState& state);
  // The text of vm.toml.
  Result<std::string> LoadDefinition(const std::string& vm) const;
  // Nothing when there is no state.json or it is not one (never written by
  // this program; the VM then counts as stopped).
  std::optional<SavedState> LoadState(const std::string& vm) const;
  // Removes vm.toml first, then the rest.
  Status Remove(const std::string& vm);

  // Where the log of the last divergence of `vm` is kept: an archived log
  // (logchannel/archived_log.h).
  std::string divergence_path(const std::string& vm) const {
    return state_dir_ + "/vms/" + vm + "/divergence.ftlog";
  }
  std::string events_path() const { return state_dir_ + "/events.jsonl"; }

 private:
  std::string state_dir_;
};

// Replaces `path` by `text`: temporary file beside it, fsync, rename, fsync of
// the directory. On failure the old file is untouched.
Status WriteFileAtomically(const std::string& path, const std::string& text);

// Proves by a temporary file that `dir` is writable; `what` names the config
// key in the error. CreateWritableDir makes it and its parents first;
// a shared directory is never made, because its absence means that the
// storage is not mounted.
Status RequireWritableDir(const std::string& dir, const std::string& what);
Status CreateWritableDir(const std::string& dir, const std::string& what);

}  // namespace ft::host
