// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/vm_registry.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "host/offload.h"
#include "host/vm_file.h"

namespace ft::host {

void VmRegistry::Load() {
  for (const std::string& name : context_.store.List()) {
    auto text = context_.store.LoadDefinition(name);
    Result<replay::VmDefinition> definition =
        text.ok() ? ParseVmFile(*text, context_.store.DefinitionPath(name))
                  : text.status();
    if (!definition.ok()) {
      spdlog::error("{} is left out: {}", name, definition.status().ToString());
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

Result<std::shared_ptr<Vm>> VmRegistry::FindOrAdd(
    const replay::VmDefinition& definition) {
  std::shared_ptr<Vm> vm = Find(definition.name);
  if (vm) return vm;
  if (vms_.size() >= kVmsMax) {
    return Status::Invalid(
        fmt::format("{} has {} VMs already", context_.config.host, kVmsMax),
        "ftctl undefine those that are not needed");
  }
  vm = std::make_shared<Vm>(context_, definition, std::nullopt);
  vms_[definition.name] = vm;
  return vm;
}

Result<std::shared_ptr<Vm>> VmRegistry::Define(
    const replay::VmDefinition& definition, const std::string& text) {
  bool is_new = Find(definition.name) == nullptr;
  auto vm = FindOrAdd(definition);
  if (!vm.ok()) return vm;
  Status status = (*vm)->CheckRedefinable();
  if (status.ok()) {
    status = context_.store.SaveDefinition(definition.name, text);
  }
  if (!status.ok()) {
    if (is_new) Forget(definition.name);
    return status;
  }
  (*vm)->Redefine(definition);
  (*vm)->AddEvent("define", is_new ? "defined" : "defined anew");
  return vm;
}

boost::asio::awaitable<Status> VmRegistry::Undefine(std::string name) {
  auto vm = Require(name);
  if (!vm.ok()) co_return vm.status();
  if (Status status = (*vm)->CheckForgettable(); !status.ok()) {
    co_return status;
  }
  Forget(name);
  // On the strand, behind the last state that may be on its way.
  std::function<Status()> remove = [&store = context_.store, name] {
    return store.Remove(name);
  };
  auto removed = co_await Offload<Status>(
      context_.save_strand, std::chrono::seconds(10), std::move(remove));
  if (!removed) {
    co_return Status::Unavailable("state_dir does not answer",
                                  "check its file system");
  }
  co_return *removed;
}

void VmRegistry::Keep(const Vm& vm) {
  Status status =
      context_.store.SaveDefinition(vm.name(), FormatVmFile(vm.definition()));
  if (!status.ok()) spdlog::error(status.ToString());
}

void VmRegistry::Forget(const std::string& name) {
  vms_.erase(name);
  context_.events.Forget(name);
}

bool VmRegistry::HasEngine(const std::string& name) const {
  std::shared_ptr<Vm> vm = Find(name);
  return vm && vm->has_engine();
}

Result<std::shared_ptr<Vm>> VmRegistry::ClaimForBackup(
    BackupSession* session, const replay::VmDefinition& definition,
    const std::string& peer, uint64_t epoch) {
  auto vm = FindOrAdd(definition);
  if (!vm.ok()) return vm;
  Status status = (*vm)->BeginBackup(session, definition, peer, epoch);
  if (!status.ok()) return status;
  return vm;
}

}  // namespace ft::host
