// SPDX-License-Identifier: GPL-2.0-or-later
//
// A recording: a directory with all that it takes to replay a stretch of a
// VM's life, as often as one likes and on any host with the same engine.
//
//     snapshot       the machine where the log begins, as a migration stream
//     log.ftlog      the log from there on (logchannel/archived_log.h)
//     command.json   how the engine is started; the VM's definition
//     marks          the machine's digests at some positions, a JSON object a
//                    line; the last is that of its end
//
// log_recorder.h makes one, log_replay.h replays it. Reading and writing
// block. Values; not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "logchannel/archived_log.h"
#include "logchannel/status.h"
#include "replay/engine_messages.h"
#include "replay/vm_definition.h"

namespace ft::replay {

class Recording {
 public:
  // What is to be in a new directory, but for snapshot and log.
  Recording(std::string directory, std::string engine, std::string share_dir,
            VmDefinition vm);
  // Reads an existing one. Invalid, with the file's name, when something is
  // missing or not what it should be.
  static Result<Recording> Open(const std::string& directory);

  const std::string& directory() const { return directory_; }
  std::string snapshot_path() const { return directory_ + "/snapshot"; }
  std::string log_path() const { return directory_ + "/log.ftlog"; }
  std::string command_path() const { return directory_ + "/command.json"; }
  std::string marks_path() const { return directory_ + "/marks"; }

  const std::string& engine() const { return engine_; }
  void set_engine(std::string engine) { engine_ = std::move(engine); }
  const std::string& share_dir() const { return share_dir_; }
  const VmDefinition& vm() const { return vm_; }
  // Ascending.
  const std::vector<MachineDigest>& marks() const { return marks_; }

  Status WriteCommand() const;
  // Adds it here and in the file.
  Status AddMark(const MachineDigest& mark);

 private:
  std::string directory_;
  std::string engine_;
  std::string share_dir_;
  VmDefinition vm_;
  std::vector<MachineDigest> marks_;
};

}  // namespace ft::replay
