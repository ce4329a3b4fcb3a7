// SPDX-License-Identifier: GPL-2.0-or-later
//
// Disk images are large and mostly holes: of four gigabytes a sixth is there.
// Blocking.
#pragma once

#include <string>

#include "logchannel/status.h"

namespace ft {

// `target` becomes a file (mode 0600) of the content and size of `source`,
// with its holes. kFailed names the file that could not be read or written.
Status CopySparse(const std::string& source, const std::string& target);

}  // namespace ft
