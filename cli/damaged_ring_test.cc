// SPDX-License-Identifier: GPL-2.0-or-later
//
// Two hosts, two VMs, and somebody who writes into the ring of one of them:
// that VM is lost to its host and to nobody else, and the other VM of the same
// ftd does not notice. Real ftds and ftctl; the guests only count.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "cli/ftd_for_test.h"
#include "logchannel/ring_layout.h"
#include "logchannel/scoped_fd.h"

namespace ft::cli {
namespace {

using namespace std::chrono_literals;
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

// The first of some ports that nobody uses at this moment.
int FreePorts() {
  ScopedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  auto* address = reinterpret_cast<sockaddr*>(&name);
  EXPECT_EQ(bind(fd.get(), address, size), 0);
  getsockname(fd.get(), address, &size);
  return std::min<int>(ntohs(name.sin_port), 65000);
}

bool IsStopped(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("State:\tT")) return true;
  }
  return false;
}

class DamagedRingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Introduce(a_, "hostA", b_, "hostB");
    Introduce(b_, "hostB", a_, "hostA");
    b_.Set("shared_dir", a_.Get("shared_dir"));
    ASSERT_TRUE(a_.Start()) << a_.Log();
    ASSERT_TRUE(b_.Start()) << b_.Log();
    const std::string kernel = a_.Write("vmlinuz", "kernel");
    for (const std::string vm : {"vm1", "vm2"}) {
      const std::string file = a_.Write(
          vm + ".toml", "name = \"" + vm + "\"\nkernel = \"" + kernel + "\"\n");
      Must(a_.Ftctl({"define", file}));
      Must(a_.Ftctl({"start", vm}));
      Must(a_.Ftctl({"enable", vm, "--backup", "hostB"}));
    }
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << a_.Log() << "\n" << b_.Log();
    for (FtdForTest* ftd : {&a_, &b_}) {
      for (const char* vm : {"vm1", "vm2"}) (void)ftd->Ftctl({"stop", vm});
    }
  }

  static void Introduce(FtdForTest& ftd, const std::string& name,
                        const FtdForTest& peer, const std::string& peer_name) {
    ftd.Set("host", "\"" + name + "\"");
    ftd.Set("engine", "\"" COUNTING_ENGINE "\"");
    const int first = FreePorts();
    ftd.Set("clone_ports", "[" + std::to_string(first) + ", " +
                               std::to_string(first + 9) + "]");
    ftd.Set("hosts." + peer_name + ".address", "\"127.0.0.1\"");
    ftd.Set("hosts." + peer_name + ".log_port", peer.Get("log_port"));
  }
  static void Must(const Finished& done) {
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }

  // A field of the VM's status as text.
  static std::string Field(const FtdForTest& ftd, const std::string& vm,
                           const char* key) {
    const Finished status = ftd.Ftctl({"status", vm, "--json"});
    if (status.exit_code != 0) return status.err;
    const boost::json::value parsed = boost::json::parse(status.out);
    const boost::json::value& field =
        parsed.as_object().at("vms").as_array().at(0).as_object().at(key);
    return field.is_string() ? std::string(field.as_string())
                             : boost::json::serialize(field);
  }
  static std::string RingOf(const FtdForTest& ftd, const std::string& host) {
    return ftd.dir() / ("ring/" + host + "/vm1.ring");
  }
  static bool Eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 8s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(20ms);
    }
    return true;
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

  FtdForTest a_, b_;
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
