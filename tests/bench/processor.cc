// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/processor.h"

#include <fmt/format.h>
#include <sched.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

namespace ft::bench {
namespace {

namespace fs = std::filesystem;

std::optional<int> AllowedProcessor(int index) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return std::nullopt;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed) && index-- == 0) return cpu;
  }
  return std::nullopt;
}

}  // namespace

Status BindToProcessor(pid_t pid, int index) {
  const std::optional<int> cpu = AllowedProcessor(index);
  if (!cpu) {
    return Status::Failed(fmt::format(
        "this machine has no processor number {} for a host; share them "
        "(--processors shared)",
        index));
  }
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(*cpu, &only);
  std::error_code error;
  for (const auto& task :
       fs::directory_iterator(fmt::format("/proc/{}/task", pid), error)) {
    const pid_t thread = std::stoi(task.path().filename().string());
    // One that has ended meanwhile needs none.
    if (sched_setaffinity(thread, sizeof only, &only) != 0 && errno != ESRCH) {
      return Status::Failed(fmt::format("thread {} cannot be bound: {}", thread,
                                        std::strerror(errno)));
    }
  }
  if (error) {
    return Status::Failed(fmt::format("process {}: {}", pid, error.message()));
  }
  return Status::Ok();
}

}  // namespace ft::bench
