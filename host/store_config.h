// SPDX-License-Identifier: GPL-2.0-or-later
//
// What ftd's config says about the test-and-set store. Either the short form
// of a shared directory, at the top of the file,
//
//     shared_dir = "/srv/lockstep"
//
// or a table, whose keys are those of its backend and no others:
//
//     [fencing]
//     backend = "iscsi"
//     url = "iscsi://10.0.0.5/iqn.2001-05.com.example:fencing/1"
#pragma once

#include <string>

#include "fencing/store_options.h"
#include "logchannel/toml_reader.h"

namespace ft::host {

// Mistakes are kept in `top`. `host` becomes part of the name that this host
// logs in by at a target, unless the file gives another.
fencing::StoreOptions ReadStore(TableReader& top, const std::string& host);

// A mistake if `value`, of `key`, is neither empty nor an absolute path.
void RequireAbsolute(TableReader& table, const char* key,
                     const std::string& value);

}  // namespace ft::host
