// SPDX-License-Identifier: GPL-2.0-or-later
//
// Two hosts, two VMs, and somebody who writes into the ring of one of them:
// that VM is lost to its host and to nobody else, and the other VM of the same
// ftd does not notice. Real ftds and ftctl; the guests only count.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/ftd_pair_for_test.h"
#include "logchannel/ring_layout.h"
#include "logchannel/scoped_fd.h"

namespace ft::cli {
namespace {

using ::testing::HasSubstr;

// The mapping of somebody else's ring.
class Scribbler {
 public:
  explicit Scribbler(const std::string& path)
      : path_(path),
        fd_(open(path.c_str(), O_RDWR | O_CLOEXEC), path),
        bytes_(std::filesystem::file_size(path)),
        start_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED,
                    fd_.get(), 0)) {
    EXPECT_NE(start_, MAP_FAILED) << path;
  }
  ~Scribbler() { munmap(start_, bytes_); }
  Scribbler(const Scribbler&) = delete;
  Scribbler& operator=(const Scribbler&) = delete;

  ft_ring& header() { return *static_cast<ft_ring*>(start_); }
  // What the engine does when it commits, with garbage for a log entry.
  void Commit(std::byte garbage, int bytes) {
    auto* log = static_cast<std::byte*>(start_) + FT_RING_HEADER_BYTES;
    const uint64_t first = header().committed;
    for (int i = 0; i < bytes; ++i) {
      log[(first + i) & (header().data_size - 1)] = garbage;
    }
    __atomic_store_n(&header().committed, first + bytes, __ATOMIC_SEQ_CST);
    const ScopedFd bell(
        open((path_ + ".to-ftd").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    EXPECT_EQ(write(bell.get(), "", 1), 1);
  }

 private:
  const std::string path_;
  const ScopedFd fd_;
  const size_t bytes_;
  void* const start_;
};

bool IsStopped(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("State:\tT")) return true;
  }
  return false;
}

class DamagedRingTest : public FtdPairTest {
 protected:
  void SetUp() override {
    FtdPairTest::SetUp();
    StartBoth();
    const std::string kernel = a_.Write("vmlinuz", "kernel");
    for (const std::string vm : {"vm1", "vm2"}) {
      const std::string file = a_.Write(
          vm + ".toml", "name = \"" + vm + "\"\nkernel = \"" + kernel + "\"\n");
      Must(a_.Ftctl({"define", file}));
      Must(a_.Ftctl({"start", vm}));
      Must(a_.Ftctl({"enable", vm, "--backup", "hostB"}));
    }
  }

  static std::string RingOf(const FtdForTest& ftd, const std::string& host) {
    return ftd.dir() / ("ring/" + host + "/vm1.ring");
  }

  // Everything is as it should be when hostA has lost vm1 by `damage`.
  void ExpectVm1MovedToHostB(const std::string& damage) {
    EXPECT_TRUE(Eventually([this] {
      return Field(b_, "vm1", "state") == "need-backup" &&
             Field(a_, "vm1", "state") == "halted";
    })) << Field(a_, "vm1", "why")
        << "; " << Field(b_, "vm1", "why");
    EXPECT_EQ(Field(b_, "vm1", "role"), "primary");
    EXPECT_EQ(Field(b_, "vm1", "reason"), "host-failure");
    EXPECT_THAT(Field(b_, "vm1", "why"), HasSubstr(damage));
    EXPECT_THAT(a_.Ftctl({"events", "vm1"}).out, HasSubstr(damage));
    ExpectVm2Untouched();
  }
  void ExpectVm2Untouched() {
    const std::string committed = Field(a_, "vm2", "positions");
    EXPECT_TRUE(Eventually([&] {
      return Field(a_, "vm2", "positions") != committed;
    })) << "vm2 stands still";
    EXPECT_EQ(Field(a_, "vm2", "state"), "protected");
    EXPECT_EQ(Field(a_, "vm2", "epoch"), "1");
    EXPECT_EQ(Field(b_, "vm2", "state"), "protected");
  }
};

TEST_F(DamagedRingTest, HeaderOfThePrimarysRing) {
  Scribbler(RingOf(a_, "hostA")).header().magic = 1234;
  ExpectVm1MovedToHostB("vm1.ring is damaged: magic 1234, expected");
}

// Its engine stands still for that, or it would go on behind the garbage.
TEST_F(DamagedRingTest, LogInThePrimarysRing) {
  Scribbler ring(RingOf(a_, "hostA"));
  const pid_t engine = ring.header().engine_pid;
  ASSERT_EQ(kill(engine, SIGSTOP), 0);
  ASSERT_TRUE(Eventually([engine] { return IsStopped(engine); }));
  ring.Commit(std::byte{0xee}, 64);
  ExpectVm1MovedToHostB("vm1.ring is damaged: log entry of unknown kind 238");
}

TEST_F(DamagedRingTest, HeaderOfTheBackupsRing) {
  Scribbler(RingOf(b_, "hostB")).header().direction = 9;
  EXPECT_TRUE(Eventually([this] {
    return Field(a_, "vm1", "state") == "need-backup";
  })) << Field(a_, "vm1", "why");
  EXPECT_EQ(Field(a_, "vm1", "reason"), "host-failure");
  EXPECT_THAT(Field(a_, "vm1", "why"), HasSubstr("vm1.ring is damaged"));
  EXPECT_EQ(Field(a_, "vm1", "epoch"), "1") << "a Bye needs no test-and-set";
  EXPECT_THAT(b_.Ftctl({"events", "vm1"}).out, HasSubstr("is damaged"));
  ExpectVm2Untouched();
}

}  // namespace
}  // namespace ft::cli
