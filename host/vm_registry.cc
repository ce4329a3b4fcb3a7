// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/vm_registry.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "host/vm_file.h"

namespace ft::host {

void VmRegistry::Load() {
  for (const std::string& name : context_.store.List()) {
    auto text = context_.store.LoadDefinition(name);
    Result<replay::VmDefinition> definition =
        text.ok() ? ParseVmFile(*text, context_.store.DefinitionPath(name))
                  : text.status();
    if (!definition.ok()) {
      spdlog::error("{} is left out: {}", name,
                    definition.status().ToString());
      continue;
    }
    vms_[name] = std::make_shared<Vm>(context_, *definition,
                                      context_.store.LoadState(name));
  }
}

void VmRegistry::RecoverAll() {
  for (const auto& [name, vm] : vms_) {
    boost::asio::co_spawn(context_.io, vm->Recover(), boost::asio::detached);
  }
}

std::shared_ptr<Vm> VmRegistry::Find(const std::string& name) const {
  auto found = vms_.find(name);
  return found == vms_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<Vm>> VmRegistry::Require(const std::string& name) const {
  std::shared_ptr<Vm> vm = Find(name);
  if (vm) return vm;
  if (name.empty()) {
    return Status::Invalid("no VM was named", "name one");
  }
  return Status::Invalid(
      fmt::format("{} has no VM {}", context_.config.host, name),
      "ftctl status lists them; ftctl define FILE adds one");
}

std::vector<std::shared_ptr<Vm>> VmRegistry::All() const {
  std::vector<std::shared_ptr<Vm>> all;
  for (const auto& [name, vm] : vms_) all.push_back(vm);
  return all;
}

Result<std::shared_ptr<Vm>> VmRegistry::Define(
    const replay::VmDefinition& definition, const std::string& text) {
  std::shared_ptr<Vm> vm = Find(definition.name);
  if (!vm && vms_.size() >= kVmsMax) {
    return Status::Invalid(
        fmt::format("{} has {} VMs already", context_.config.host, kVmsMax),
        "ftctl undefine those that are not needed");
  }
  if (vm) {
    Status status = vm->Redefine(definition);
    if (!status.ok()) return status;
  }
  Status status = context_.store.SaveDefinition(definition.name, text);
  if (!status.ok()) return status;
  if (!vm) {
    vm = std::make_shared<Vm>(context_, definition, std::nullopt);
    vms_[definition.name] = vm;
    vm->AddEvent("define", "defined");
  }
  return vm;
}

Status VmRegistry::Undefine(const std::string& name) {
  auto vm = Require(name);
  if (!vm.ok()) return vm.status();
  if (Status status = (*vm)->CheckForgettable(); !status.ok()) return status;
  if (Status status = context_.store.Remove(name); !status.ok()) return status;
  vms_.erase(name);
  context_.events.Forget(name);
  return Status::Ok();
}

bool VmRegistry::HasEngine(const std::string& name) const {
  std::shared_ptr<Vm> vm = Find(name);
  return vm && vm->has_engine();
}

Result<std::shared_ptr<Vm>> VmRegistry::ClaimForBackup(
    BackupSession* session, const replay::VmDefinition& definition,
    const std::string& peer, uint64_t epoch) {
  auto vm = Define(definition, FormatVmFile(definition));
  if (!vm.ok()) return vm.status();
  Status status = (*vm)->BeginBackup(session, definition, peer, epoch);
  if (!status.ok()) return status;
  return vm;
}

}  // namespace ft::host
