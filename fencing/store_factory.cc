// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/store_factory.h"

#include <fstream>

#include "fencing/etcd_test_and_set.h"
#include "fencing/file_test_and_set.h"
#include "fencing/iscsi_format.h"
#include "fencing/iscsi_test_and_set.h"
#include "fencing/nbd_test_and_set.h"

namespace ft::fencing {

using Backend = StoreOptions::Backend;

Result<StoreOptions> WithPassword(const StoreOptions& options) {
  StoreOptions complete = options;
  const std::string& path = options.iscsi_password_file;
  if (path.empty()) return complete;
  std::ifstream file(path);
  if (std::getline(file, complete.iscsi.password) &&
      !complete.iscsi.password.empty()) {
    return complete;
  }
  return Status::Invalid("chap_password_file " + path + " has no password",
                         "write it as the first line, readable for ftd");
}

Result<std::shared_ptr<TestAndSet>> MakeStore(const StoreOptions& options) {
  const Result<StoreOptions> complete = WithPassword(options);
  if (!complete.ok()) return complete.status();
  switch (options.backend) {
    case Backend::kFile:
      return std::shared_ptr<TestAndSet>(
          std::make_shared<FileTestAndSet>(options.shared_dir));
    case Backend::kNbd:
      return std::shared_ptr<TestAndSet>(
          std::make_shared<NbdTestAndSet>(options.address));
    case Backend::kIscsi:
      return std::shared_ptr<TestAndSet>(
          std::make_shared<IscsiTestAndSet>((*complete).iscsi));
    case Backend::kEtcd:
      return std::shared_ptr<TestAndSet>(
          std::make_shared<EtcdTestAndSet>(options.etcd));
  }
  return Status::Invalid("no backend");
}

Status FormatStore(const StoreOptions& options, bool force) {
  if (options.backend != Backend::kIscsi) {
    return Status::Invalid(Describe(options) + " needs no formatting",
                           "use it as it is");
  }
  const Result<StoreOptions> complete = WithPassword(options);
  if (!complete.ok()) return complete.status();
  return FormatIscsi((*complete).iscsi, force);
}

}  // namespace ft::fencing
