// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/engine_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <thread>
#include <utility>

#include "logchannel/ring_layout.h"
#include "logchannel/scoped_fd.h"
#include "tests/system/bed_ledger.h"

namespace ft::bed {
namespace {

// The header of a ring, as it is when it is read. Not mapped: a ring in the
// making has no page to look at yet, and that would be a SIGBUS.
class RingView {
 public:
  explicit RingView(const std::string& path)
      : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC), path) {}

  std::optional<ft_ring> Read() const {
    ft_ring ring;
    if (!file_.valid() ||
        pread(file_.get(), &ring, sizeof ring, 0) != sizeof ring ||
        ring.magic != FT_RING_MAGIC) {
      return std::nullopt;
    }
    return ring;
  }

 private:
  ScopedFd file_;
};

// The path below `ring_dir` on the command line of a process; rrfile= may
// stand before it. Empty: it is no engine.
std::string RingOf(pid_t pid, const std::string& ring_dir) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
  std::string line((std::istreambuf_iterator<char>(file)), {});
  const size_t at = line.find(ring_dir + "/");
  if (at == std::string::npos) return "";
  const size_t end = line.find_first_of(std::string_view("\0,", 2), at);
  return line.substr(at, end == std::string::npos ? end : end - at);
}

struct Positions {
  uint64_t progress = 0;  // committed, or consumed by a backup
  uint64_t acknowledged = 0;
};

Positions PositionsOf(const ft_ring& ring) {
  const bool replay = ring.direction == FT_RING_REPLAY;
  return {replay ? ring.consumed : ring.committed, ring.acknowledged};
}

struct Watched {
  EngineFacts facts;
  RingView ring;
  Positions first;
};

// True once nothing more can be learned by watching.
bool Look(Watched& watched) {
  const std::optional<ft_ring> ring = watched.ring.Read();
  if (!ring) return true;
  const Positions now = PositionsOf(*ring);
  EngineFacts& facts = watched.facts;
  facts.recording = ring->direction == FT_RING_RECORD;
  facts.holding = ring->holding != 0;
  facts.advancing = now.progress != watched.first.progress;
  facts.live =
      facts.recording && facts.advancing &&
      (!facts.holding || now.acknowledged != watched.first.acknowledged);
  return facts.live;
}

}  // namespace

std::vector<EngineFacts> FindEngines(const std::string& name_space,
                                     const std::string& ring_dir) {
  std::vector<EngineFacts> engines;
  for (pid_t pid : ProcessesInNamespace(name_space)) {
    EngineFacts facts;
    facts.pid = pid;
    facts.ring_path = RingOf(pid, ring_dir);
    if (facts.ring_path.empty()) continue;
    const RingView view(facts.ring_path);
    if (const std::optional<ft_ring> ring = view.Read()) {
      facts.engine_build.assign(
          ring->engine_build,
          strnlen(ring->engine_build, sizeof ring->engine_build));
      facts.recording = ring->direction == FT_RING_RECORD;
      facts.holding = ring->holding != 0;
    }
    engines.push_back(std::move(facts));
  }
  return engines;
}

std::vector<EngineFacts> WatchEngines(const std::string& name_space,
                                      const std::string& ring_dir,
                                      std::chrono::milliseconds watch) {
  std::vector<Watched> all;
  for (EngineFacts& facts : FindEngines(name_space, ring_dir)) {
    RingView ring(facts.ring_path);
    const std::optional<ft_ring> header = ring.Read();
    const Positions first = header ? PositionsOf(*header) : Positions{};
    all.push_back({std::move(facts), std::move(ring), first});
  }
  const auto end = std::chrono::steady_clock::now() + watch;
  bool settled = false;
  while (!settled && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    settled = true;
    for (Watched& watched : all) settled = Look(watched) && settled;
  }
  std::vector<EngineFacts> engines;
  for (Watched& watched : all) engines.push_back(std::move(watched.facts));
  return engines;
}

}  // namespace ft::bed
