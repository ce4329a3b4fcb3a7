// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/scratch_store.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "fencing/etcd_test_and_set.h"
#include "fencing/file_record.h"
#include "fencing/file_test_and_set.h"
#include "fencing/iscsi_format.h"
#include "fencing/iscsi_test_and_set.h"
#include "fencing/nbd_test_and_set.h"
#include "fencing/store_factory.h"
#include "logchannel/check.h"
#include "shared-disk/export_name.h"

namespace ft::fencing {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr char kGarbage[] = "neither fish nor fowl\n";

Deadline InTime() { return steady_clock::now() + seconds(10); }

class FileScratch : public ScratchStore {
 public:
  static Result<std::unique_ptr<ScratchStore>> Make(const std::string& parent) {
    std::string name = parent + "/.fencing-test." + std::string(6, 'X');
    if (mkdtemp(name.data()) == nullptr) {
      return Status::Unavailable("cannot make a directory in " + parent,
                                 "run ftctl as ftd's user");
    }
    return std::unique_ptr<ScratchStore>(new FileScratch(name));
  }
  ~FileScratch() override {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }
  std::unique_ptr<TestAndSet> Open() override {
    return std::make_unique<FileTestAndSet>(directory_);
  }
  void Damage(const std::string& vm) override {
    std::string newest;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      const std::string name = entry.path().filename();
      if (EpochOfName(vm, name)) newest = std::max(newest, name);
    }
    std::ofstream(directory_ + "/" + newest, std::ios::trunc) << kGarbage;
  }
  Status Clear() override {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory_, error)) {
      fs::remove_all(entry.path(), error);
    }
    if (!error) return Status::Ok();
    return Status::Unavailable("cannot empty " + directory_ + ": " +
                               error.message());
  }

 private:
  explicit FileScratch(std::string directory)
      : directory_(std::move(directory)) {}

  const std::string directory_;
};

class NbdScratch : public ScratchStore {
 public:
  explicit NbdScratch(std::string address)
      : address_(std::move(address)),
        name_(std::string(shared_disk::kScratchPrefix) +
              std::to_string(std::random_device()())) {}
  ~NbdScratch() override { (void)Clear(); }
  std::unique_ptr<TestAndSet> Open() override {
    return std::make_unique<NbdTestAndSet>(
        address_, NbdTestAndSet::kDeadline, name_ + ".");
  }
  // A damaged record would be the service's own store.
  bool has(Hand hand) const override { return hand == Hand::kNone; }
  Status Clear() override {
    auto client =
        NbdRecordClient::Connect(address_, name_, NbdTestAndSet::kDeadline);
    return client.ok() ? (*client)->Erase() : client.status();
  }

 private:
  const std::string address_;
  const std::string name_;
};

class IscsiScratchStore : public ScratchStore {
 public:
  IscsiScratchStore(IscsiTarget target, IscsiScratch scratch)
      : target_(std::move(target)), scratch_(std::move(scratch)) {}
  std::unique_ptr<TestAndSet> Open() override {
    auto handle =
        std::make_unique<IscsiTestAndSet>(target_, iscsi::kScratchTable);
    (void)handle->Probe();  // logs in, which is no part of a decision
    return handle;
  }
  void Damage(const std::string& vm) override {
    auto session = IscsiSession::Open(target_, InTime());
    FT_CHECK(session.ok()) << session.status().ToString();
    std::string block = kGarbage;
    block.resize((*session)->block_size(), '\0');
    const Status status = (*session)->Write(
        iscsi::FirstBlock(iscsi::kScratchTable, vm), block, InTime());
    FT_CHECK(status.ok()) << status.ToString();
  }
  Status Clear() override { return scratch_.Clear(); }

 private:
  const IscsiTarget target_;
  IscsiScratch scratch_;
};

class EtcdScratch : public ScratchStore {
 public:
  explicit EtcdScratch(EtcdCluster cluster) : cluster_(std::move(cluster)) {
    cluster_.prefix += ".test-" + std::to_string(std::random_device()()) + "/";
  }
  ~EtcdScratch() override { (void)Clear(); }
  std::unique_ptr<TestAndSet> Open() override {
    return std::make_unique<EtcdTestAndSet>(cluster_);
  }
  void Damage(const std::string& vm) override {
    const Status status =
        EtcdClient(cluster_).Put(cluster_.prefix + vm, kGarbage, InTime());
    FT_CHECK(status.ok()) << status.ToString();
  }
  Status Clear() override {
    return EtcdClient(cluster_).DeleteAll(cluster_.prefix, InTime());
  }

 private:
  EtcdCluster cluster_;
};

}  // namespace

Result<std::unique_ptr<ScratchStore>> ScratchStore::Make(
    const StoreOptions& options, bool force) {
  using Backend = StoreOptions::Backend;
  const Result<StoreOptions> complete = WithPassword(options);
  if (!complete.ok()) return complete.status();
  switch (options.backend) {
    case Backend::kFile:
      return FileScratch::Make(options.shared_dir);
    case Backend::kNbd:
      return std::unique_ptr<ScratchStore>(new NbdScratch(options.address));
    case Backend::kIscsi: {
      const IscsiTarget& target = (*complete).iscsi;
      auto claimed = IscsiScratch::Claim(target, force);
      if (!claimed.ok()) return claimed.status();
      return std::unique_ptr<ScratchStore>(
          new IscsiScratchStore(target, std::move(claimed).value()));
    }
    case Backend::kEtcd:
      return std::unique_ptr<ScratchStore>(new EtcdScratch(options.etcd));
  }
  return Status::Invalid(Describe(options) + " has no room for tests",
                         "test another store");
}

}  // namespace ft::fencing
