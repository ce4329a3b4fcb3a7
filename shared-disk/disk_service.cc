// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/disk_service.h"

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <vector>

#include "logchannel/check.h"
#include "shared-disk/disk_connection.h"
#include "shared-disk/record_connection.h"

namespace ft::shared_disk {
namespace {

std::optional<Record> RecordOf(const ServedVm& vm) {
  const std::optional<WriteRight> right = vm.fence.right();
  if (!right) return std::nullopt;
  return right->record;
}

}  // namespace

Result<std::unique_ptr<DiskService>> DiskService::Open(
    const ServiceOptions& options) {
  auto store = EpochStore::Open(options.state_dir);
  if (!store.ok()) return store.status();
  std::unique_ptr<DiskService> service(
      new DiskService(std::move(store).value()));
  Status status = service->LoadVms();
  for (const DiskOptions& disk : options.disks) {
    if (status.ok()) status = service->OpenDisk(disk);
  }
  if (!status.ok()) return status;
  return service;
}

Status DiskService::LoadVms() {
  auto rights = store_->Load();
  if (!rights.ok()) return rights.status();
  for (auto& [name, right] : *rights) {
    if (!right.ok()) spdlog::error("{}", right.status().ToString());
    std::optional<WriteRight> known;
    if (right.ok()) known = *right;
    vms_[name] = std::make_unique<ServedVm>(name, known, right.status());
  }
  return Status::Ok();
}

Status DiskService::OpenDisk(const DiskOptions& options) {
  auto image = DiskImage::Open(options.path);
  if (!image.ok()) return image.status();
  ServedVm& vm = VmOf(options.vm);
  spdlog::info("serves {}: {}, {} bytes, of {} ({})", options.name,
               options.path, (*image)->size(), vm.name, Describe(RecordOf(vm)));
  disks_[options.name] = {std::move(image).value(), &vm};
  return Status::Ok();
}

ServedVm& DiskService::VmOf(const std::string& name) {
  const std::lock_guard lock(vms_mutex_);
  auto& vm = vms_[name];
  if (!vm) vm = std::make_unique<ServedVm>(name, std::nullopt, Status::Ok());
  return *vm;
}

Result<std::unique_ptr<Connection>> DiskService::Connect(
    const std::string& export_name, const std::string& client) {
  auto name = ParseExportName(export_name);
  Result<std::unique_ptr<Connection>> connection = name.status();
  if (name.ok()) {
    if (const auto* record = std::get_if<RecordExport>(&*name)) {
      connection = std::unique_ptr<Connection>(
          new RecordConnection(*this, VmOf(record->vm), client));
    } else {
      connection = ConnectDisk(std::get<DiskExport>(*name), client);
    }
  }
  if (!connection.ok()) {
    spdlog::warn("refused {}: {}", client, connection.status().ToString());
  }
  return connection;
}

Result<std::unique_ptr<Connection>> DiskService::ConnectDisk(
    const DiskExport& name, const std::string& client) {
  const auto found = disks_.find(name.disk);
  if (found == disks_.end()) {
    return Status::Invalid("there is no disk " + name.disk,
                           "name it in the service's configuration");
  }
  ServedVm& vm = *found->second.vm;
  DiskImage& image = *found->second.image;
  if (name.writer) {
    Status status = ConnectWriter(name.disk, vm, *name.writer, client);
    if (!status.ok()) return status;
  }
  return std::unique_ptr<Connection>(
      new DiskConnection({name.disk, client, name.writer}, vm, image));
}

// A right that changes between the look and AfterConnect() is looked at
// again: Change() decides under the fence's lock.
Status DiskService::ConnectWriter(const std::string& disk, ServedVm& vm,
                                  const Writer& writer,
                                  const std::string& client) {
  if (!vm.damage.ok()) return vm.damage;
  const std::optional<WriteRight> right = vm.fence.right();
  const Verdict verdict = MayConnect(right, writer);
  if (verdict != Verdict::kMayWrite) {
    return Status::Invalid(disk + ": " + Explain(verdict, writer, right));
  }
  const auto younger = vm.fence.Change(
      [&](const std::optional<WriteRight>& now) -> Result<WriteRight> {
        if (const auto next = AfterConnect(now, writer)) return *next;
        return Status::Invalid("nothing changes");
      },
      [this](const WriteRight& next) { Save(next); });
  spdlog::info("{}: writer {} from {}{}", disk, Describe(writer), client,
               younger.ok() ? ", which fences older engines of this host" : "");
  return Status::Ok();
}

void DiskService::Save(const WriteRight& right) {
  const Status status = store_->Save(right);
  if (!status.ok()) {
    End(right.record.vm + ": " + Describe(right.record), status);
  }
}

void DiskService::Forget(const std::string& name) {
  FT_CHECK(IsScratch(name)) << name;
  std::vector<ServedVm*> vms;
  {
    const std::lock_guard lock(vms_mutex_);
    for (const auto& [known, vm] : vms_) {
      if (known == name || known.starts_with(name + ".")) {
        vms.push_back(vm.get());
      }
    }
  }
  for (ServedVm* vm : vms) {
    if (!vm->fence.right()) continue;
    vm->fence.Forget([&] {
      const Status status = store_->Erase(vm->name);
      if (!status.ok()) End(vm->name + ": no record", status);
    });
  }
}

void DiskService::End(const std::string& what, const Status& status) {
  spdlog::critical("{} may be saved or not, the service ends; {}", what,
                   status.ToString());
  spdlog::shutdown();
  std::_Exit(EXIT_FAILURE);
}

}  // namespace ft::shared_disk
