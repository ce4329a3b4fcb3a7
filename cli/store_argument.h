// SPDX-License-Identifier: GPL-2.0-or-later
//
// StoreArgument: how an operator says which test-and-set store a verb of
// `ftctl fencing` is about: by a URL (fencing/store_options.h), or as ftd's
// config has it, which also knows passwords and certificates.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "fencing/store_options.h"

namespace ft::cli {

class StoreArgument {
 public:
  void AddOptions(CLI::App& app);
  // Reads the config unless there is a URL.
  Result<fencing::StoreOptions> Options() const;

 private:
  std::string url_;
  std::string config_ = "/etc/lockstep/ftd.toml";
};

}  // namespace ft::cli
