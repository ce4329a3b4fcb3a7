// SPDX-License-Identifier: GPL-2.0-or-later
//
// The judge of split-brain is judged: a process that looks like an engine,
// with a ring that the test moves by hand.
#include "tests/system/engine_probe.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "logchannel/ring_layout.h"
#include "tests/system/bed_fixture.h"

namespace ft::bed {
namespace {

class EngineProbe : public BedTest {
 protected:
  EngineProbe()
      : name_space_(bed().network().HostNamespace(Side::kA)),
        ring_dir_("/dev/shm/lockstep-" + bed().run() + "-hostA"),
        path_(ring_dir_ + "/vm1.ring") {
    const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, FT_RING_HEADER_BYTES) != 0) {
      throw BedError(path_);
    }
    ring_ =
        static_cast<ft_ring*>(mmap(nullptr, FT_RING_HEADER_BYTES,
                                   PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    ring_->magic = FT_RING_MAGIC;
    ring_->direction = FT_RING_RECORD;
    strcpy(ring_->engine_build, "build-1");
    // Once it speaks, no exec of `ip netns exec` is under way any more.
    process_ = std::make_unique<ChildProcess>(ChildProcess::Options{
        .argv = Network::Inside(name_space_,
                                {"bash", "-c", "echo ready; sleep 60 & wait",
                                 "shift=2,rr=ft,rrfile=" + path_ + ",x=y"}),
        .talk = true});
    if (process_->ReadLine(milliseconds(5000)) != "ready") {
      throw BedError("the process did not start");
    }
  }
  ~EngineProbe() override { munmap(ring_, FT_RING_HEADER_BYTES); }

  std::vector<EngineFacts> Find() const {
    return FindEngines(name_space_, ring_dir_);
  }

  // Watches while every position in `moving` grows.
  EngineFacts WatchWhile(std::vector<uint64_t*> moving) {
    std::jthread engine([moving](std::stop_token stop) {
      while (!stop.stop_requested()) {
        for (uint64_t* position : moving) {
          __atomic_add_fetch(position, 8, __ATOMIC_SEQ_CST);
        }
        std::this_thread::sleep_for(milliseconds(1));
      }
    });
    const auto engines =
        WatchEngines(name_space_, ring_dir_, milliseconds(100));
    EXPECT_EQ(engines.size(), 1u);
    return engines.empty() ? EngineFacts() : engines.front();
  }

  const std::string name_space_;
  const std::string ring_dir_;
  const std::string path_;
  ft_ring* ring_ = nullptr;
  std::unique_ptr<ChildProcess> process_;
};

TEST_F(EngineProbe, ProcessWithARing_IsFoundInItsOwnNamespaceOnly) {
  ASSERT_EQ(Find().size(), 1u);
  EXPECT_EQ(Find().front().pid, process_->pid());
  EXPECT_EQ(Find().front().ring_path, path_);
  EXPECT_EQ(Find().front().engine_build, "build-1");
  EXPECT_TRUE(
      FindEngines(bed().network().HostNamespace(Side::kB), ring_dir_).empty());
  process_->Kill();
  EXPECT_TRUE(Find().empty());
}

TEST_F(EngineProbe, RecordingAndAdvancing_IsLive) {
  EXPECT_TRUE(WatchWhile({&ring_->committed}).live);
}

TEST_F(EngineProbe, Paused_IsNotLive) {
  const EngineFacts facts = WatchWhile({});
  EXPECT_TRUE(facts.recording);
  EXPECT_FALSE(facts.advancing);
  EXPECT_FALSE(facts.live);
}

TEST_F(EngineProbe, Replaying_IsNotLive) {
  ring_->direction = FT_RING_REPLAY;
  const EngineFacts facts = WatchWhile({&ring_->committed, &ring_->consumed});
  EXPECT_TRUE(facts.advancing);
  EXPECT_FALSE(facts.live);
}

TEST_F(EngineProbe, HoldingAndUnacknowledged_IsNotLive) {
  ring_->holding = 1;
  EXPECT_FALSE(WatchWhile({&ring_->committed}).live);
}

TEST_F(EngineProbe, HoldingAndAcknowledged_IsLive) {
  ring_->holding = 1;
  EXPECT_TRUE(WatchWhile({&ring_->committed, &ring_->acknowledged}).live);
}

}  // namespace
}  // namespace ft::bed
