// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/store_argument.h"

#include "host/config.h"

namespace ft::cli {

void StoreArgument::AddOptions(CLI::App& app) {
  app.add_option("STORE", url_,
                 "a directory, nbd://HOST:PORT, iscsi://HOST/TARGET/LUN or "
                 "http://HOST:PORT of an etcd; without it the config's");
  app.add_option("--config", config_, "ftd's config file")
      ->capture_default_str();
}

Result<fencing::StoreOptions> StoreArgument::Options() const {
  if (!url_.empty()) return fencing::ParseStoreUrl(url_);
  auto config = host::LoadConfig(config_);
  if (!config.ok()) return config.status();
  return config->store;
}

}  // namespace ft::cli
