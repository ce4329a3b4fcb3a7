// SPDX-License-Identifier: GPL-2.0-or-later
//
// Machine: what a workload wants of the machine, beyond what every guest has,
// as files of this host: a fresh disk image, a second QMP socket for the
// operator. One per run; destruction removes the files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/replay/engine_pair.h"
#include "tests/torture/operator.h"
#include "tests/torture/plan.h"

namespace ft::torture {

class Machine {
 public:
  explicit Machine(const Workload& workload);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Sparse, as large as it has to be. kUnavailable, with the remedy, when
  // there is no Debian to copy.
  Status MakeImage() const;

  // Everything about the guest and its devices; how it is recorded and
  // replayed is the caller's.
  replay::PairOptions Options() const;

  // Sets somebody to work on the primary of `pair`, if the workload has
  // hands. The guest has said that it is ready.
  Status HireOperator(replay::EnginePair& pair, uint64_t seed,
                      std::optional<Operator>* hired) const;

  // Of a primary that somebody sits at; see HireOperator.
  const std::string& qmp_path() const { return qmp_path_; }
  // Empty without a disk.
  const std::string& image_path() const { return image_path_; }
  // The backup's replica of a private disk: blank, as large. Else the same.
  const std::string& backup_image_path() const { return backup_image_path_; }

 private:
  // As large as the open image, and blank.
  Status MakeReplica() const;

  const Workload& workload_;
  std::string directory_;
  std::string qmp_path_;
  std::string image_path_;
  std::string backup_image_path_;
};

}  // namespace ft::torture
