// SPDX-License-Identifier: GPL-2.0-or-later
//
// The log that a diverged backup's ring still has, into an archived log.
#pragma once

#include <string>

#include "backup/backup_agent.h"
#include "logchannel/status.h"

namespace ft::host {

// Blocking; for a pool's thread. The ring is read, never changed, so its
// engine may still have it. `path` is rewritten when all of it is there, and
// not touched on errors.
Status ArchiveRing(const std::string& ring_path, const std::string& vm,
                   const backup::LogToKeep& log, const std::string& path);

}  // namespace ft::host
