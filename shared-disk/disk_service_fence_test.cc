// SPDX-License-Identifier: GPL-2.0-or-later
//
// The fence under load: engines that do not know that they lost, writing as
// fast as they can, while the right to write goes from host to host.
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <random>
#include <thread>

#include "shared-disk/disk_service_for_test.h"
#include "shared-disk/nbd_client_for_test.h"

namespace ft::shared_disk {
namespace {

constexpr size_t kBlock = 64 << 10;
constexpr size_t kBlocks = DiskServiceForTest::kDiskBytes / kBlock;

// An engine with several requests under way at any time; it writes blocks
// full of its own letter, whatever it is answered, until it ends.
class Zombie {
 public:
  Zombie(const std::string& address, const std::string& name, char letter)
      : data_(kBlock, letter), handle_(nbd_create()) {
    nbd_set_export_name(handle_, name.c_str());
    ok_ = nbd_connect_unix(handle_, address.c_str()) == 0;
    if (ok_) thread_ = std::jthread([this] { Main(); });
  }
  ~Zombie() {
    over_ = true;
    thread_ = {};
    nbd_close(handle_);
  }
  bool ok() const { return ok_; }
  uint64_t written() const { return written_; }

 private:
  void Main() {
    std::deque<uint64_t> under_way;
    uint64_t next = 0;
    while (!over_ || !under_way.empty()) {
      while (!over_ && under_way.size() < 8) {
        const int64_t cookie =
            nbd_aio_pwrite(handle_, data_.data(), kBlock,
                           next++ % kBlocks * kBlock, NBD_NULL_COMPLETION, 0);
        if (cookie < 0) return;
        under_way.push_back(static_cast<uint64_t>(cookie));
      }
      if (nbd_poll(handle_, 1000) < 0) return;
      while (!under_way.empty()) {
        const int state = nbd_aio_command_completed(handle_, under_way.front());
        if (state == 0) break;
        if (state > 0) ++written_;
        under_way.pop_front();
      }
    }
  }

  const std::string data_;
  nbd_handle* const handle_;
  bool ok_ = false;
  std::atomic<bool> over_{false};
  std::atomic<uint64_t> written_{0};
  std::jthread thread_;
};

// Of the engine that is to go live in epoch N + 1.
std::string NameOf(uint64_t epoch) {
  return "vm1-root;epoch=" + std::to_string(epoch) +
         ";host=" + (epoch % 2 ? "hostB" : "hostA");
}

// The winner looks at the disk at once, and again after a while: not a
// block of the loser's may have come in between.
TEST(DiskServiceFence, NoWriteOfTheLoserLandsAfterTheAnswer) {
  constexpr uint64_t kFailovers = 30;
  DiskServiceForTest service;
  NbdClient record(service.address(), "record;vm=vm1");
  Record now = {"vm1", 1, "hostA"};
  ASSERT_EQ(record.TestAndSet({}, now), 0);
  auto zombie = std::make_unique<Zombie>(service.address(),
                                         "vm1-root;epoch=1;host=hostA", 'a');
  for (uint64_t epoch = 1; epoch <= kFailovers; ++epoch) {
    NbdClient winner(service.address(), NameOf(epoch));
    ASSERT_TRUE(winner.ok()) << service.log();
    while (zombie->written() < 50) std::this_thread::yield();
    const Record won = {"vm1", epoch + 1, epoch % 2 ? "hostB" : "hostA"};
    ASSERT_EQ(record.TestAndSet(now, won), 0);
    now = won;
    const std::string disk = winner.Read(DiskServiceForTest::kDiskBytes, 0);
    ASSERT_EQ(winner.Write(std::string(kBlock, '!'), 0), 0);
    // It goes on asking, with requests that were on their way.
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(winner.Read(1, 0), "!");
      const size_t block = (1 + static_cast<size_t>(i)) % kBlocks * kBlock;
      ASSERT_EQ(winner.Read(kBlock, block), disk.substr(block, kBlock));
    }
    // The next loser is an engine of the winner's name.
    zombie = std::make_unique<Zombie>(service.address(), NameOf(epoch),
                                      static_cast<char>('a' + epoch % 26));
    ASSERT_TRUE(zombie->ok()) << service.log();
  }
}

// The same with a service that dies at any moment, the decision with it.
TEST(DiskServiceFence, KilledServiceKeepsTheFence) {
  std::mt19937 random(1);
  DiskServiceForTest service;
  Record now = {"vm1", 1, "hostA"};
  ASSERT_EQ(NbdClient(service.address(), "record;vm=vm1").TestAndSet({}, now),
            0);
  int unanswered = 0;
  for (uint64_t epoch = 1; epoch <= 15; ++epoch) {
    const std::string old_host = epoch % 2 ? "hostA" : "hostB";
    const Record won = {"vm1", epoch + 1, epoch % 2 ? "hostB" : "hostA"};
    std::jthread killer([&, delay = random() % 1500] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
      service.Kill();
    });
    NbdClient record(service.address(), "record;vm=vm1");
    unanswered += !record.ok() || record.TestAndSet(now, won) != 0;
    killer = {};
    ASSERT_TRUE(service.Start()) << service.log();
    // Whoever was not answered asks again.
    NbdClient again(service.address(), "record;vm=vm1");
    const int error = again.TestAndSet(now, won);
    ASSERT_TRUE(error == 0 || error == EPERM) << error;
    now = won;
    NbdClient winner(service.address(), NameOf(epoch));
    ASSERT_EQ(winner.Write("winner", 0), 0) << service.log();
    NbdClient loser(
        service.address(),
        "vm1-root;epoch=" + std::to_string(epoch) + ";host=" + old_host);
    EXPECT_EQ(loser.Write("loser!", 0), EPERM);
    ASSERT_EQ(winner.Read(6, 0), "winner");
  }
  EXPECT_GT(unanswered, 0);
}

}  // namespace
}  // namespace ft::shared_disk
