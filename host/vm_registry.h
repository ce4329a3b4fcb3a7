// SPDX-License-Identifier: GPL-2.0-or-later
//
// VmRegistry: the VMs that this host knows, by name. A VM is known from
// `ftctl define`, or from the first Hello of a primary that wants its backup
// here, until `ftctl undefine`.
//
// Single-threaded, the io_context's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/host_context.h"
#include "host/vm.h"
#include "logchannel/status.h"

namespace ft::host {

class VmRegistry {
 public:
  // Bounds what ftd reads at start and keeps in memory; a host that runs
  // more VMs than this in TCG does not exist.
  static constexpr size_t kVmsMax = 256;

  explicit VmRegistry(const HostContext& context) : context_(context) {}

  // Reads state_dir. A VM whose files do not parse is skipped with one log
  // line: its neighbours must not suffer.
  void Load();
  // Every VM finds its engine again; ends when all were looked at. One that
  // waits for the storage goes on by itself.
  void RecoverAll();

  // Null when there is none.
  std::shared_ptr<Vm> Find(const std::string& name) const;
  // The same as an error for the operator.
  Result<std::shared_ptr<Vm>> Require(const std::string& name) const;
  std::vector<std::shared_ptr<Vm>> All() const;

  // `text` is the VM file, durable in state_dir when this returns ok.
  Result<std::shared_ptr<Vm>> Define(const replay::VmDefinition& definition,
                                     const std::string& text);
  boost::asio::awaitable<Status> Undefine(std::string name);

  // Writes down the definition of a VM that was claimed for a backup.
  void Keep(const Vm& vm);
  // Drops a VM that was never written down.
  void Forget(const std::string& name);

  bool HasEngine(const std::string& name) const;
  // The VM of a Hello, new or known, claimed by `session`. A new one is in
  // memory only until Keep().
  Result<std::shared_ptr<Vm>> ClaimForBackup(
      BackupSession* session, const replay::VmDefinition& definition,
      const std::string& peer, uint64_t epoch);

 private:
  // In memory only.
  Result<std::shared_ptr<Vm>> FindOrAdd(const replay::VmDefinition& definition);

  const HostContext& context_;
  std::map<std::string, std::shared_ptr<Vm>> vms_;
};

}  // namespace ft::host
