// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/nbd_test_and_set.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "fencing/test_and_set_conformance.h"
#include "logchannel/check.h"
#include "logchannel/scoped_fd.h"
#include "shared-disk/disk_service_for_test.h"

namespace ft::fencing {
namespace {

using shared_disk::DiskServiceForTest;
using std::chrono::milliseconds;

class NbdUnderTest : public StoreUnderTest {
 public:
  explicit NbdUnderTest(bool tcp) : service_({.tcp = tcp, .disks = {}}) {}
  std::unique_ptr<TestAndSet> Open() override {
    return std::make_unique<NbdTestAndSet>(service_.address());
  }
  void Damage(const std::string& vm) override {
    service_.Kill();
    service_.Damage(vm);
    Return();
  }
  void Vanish() override { service_.Kill(); }
  void Return() override { FT_CHECK(service_.Start()) << service_.log(); }

 private:
  DiskServiceForTest service_;
};

std::unique_ptr<StoreUnderTest> MakeUnixSocket() {
  return std::make_unique<NbdUnderTest>(false);
}
std::unique_ptr<StoreUnderTest> MakeTcp() {
  return std::make_unique<NbdUnderTest>(true);
}
INSTANTIATE_TEST_SUITE_P(Nbd, TestAndSetConformance,
                         testing::Values(&MakeUnixSocket));
INSTANTIATE_TEST_SUITE_P(Nbd, SharedStoreConformance,
                         testing::Values(&MakeTcp));

class NbdTestAndSetTest : public testing::Test {
 protected:
  DiskServiceForTest service_;
  NbdTestAndSet store_{service_.address()};
};

TEST_F(NbdTestAndSetTest, HungServiceIsNamedAndNotWaitedFor) {
  NbdTestAndSet store(service_.address(), milliseconds(400));
  ASSERT_EQ(store.Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  service_.Pause();
  const std::string line =
      "disk service " + service_.address() +
      " does not answer within 400 ms; it or its storage hangs: look at that "
      "host, restart the service";
  const auto begun = std::chrono::steady_clock::now();
  // Over the connection that it has, and over a new one.
  for (int i = 0; i < 2; ++i) {
    const auto answer = store.Acquire("vm1", 1, "hostA");
    EXPECT_EQ(answer.outcome, TestAndSetOutcome::kUnreachable);
    EXPECT_EQ(answer.error.ToString(), line);
  }
  EXPECT_EQ(store.Probe().ToString(), line);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, milliseconds(4000));
  service_.Continue();
  // What was asked of it while it hung may have been carried out.
  EXPECT_EQ(store_.Acquire("vm1", 1, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
}

TEST_F(NbdTestAndSetTest, RestartBetweenCallsIsNotNoticed) {
  for (uint64_t epoch = 0; epoch < 5; ++epoch) {
    const auto answer = store_.Acquire("vm1", epoch, "hostA");
    ASSERT_EQ(answer.outcome, TestAndSetOutcome::kAcquired)
        << answer.error.ToString();
    service_.Kill();
    ASSERT_TRUE(service_.Start()) << service_.log();
  }
}

TEST_F(NbdTestAndSetTest, ServiceThatIsNotThereIsOneLine) {
  EXPECT_TRUE(store_.Probe().ok());
  service_.Kill();
  const Status gone = store_.Probe();
  EXPECT_EQ(gone.code(), Code::kUnavailable);
  EXPECT_NE(gone.ToString().find("disk service " + service_.address()),
            std::string::npos)
      << gone.ToString();
  EXPECT_NE(NbdTestAndSet("127.0.0.1:1")
                .Probe()
                .message()
                .find("disk service 127.0.0.1:1: "),
            std::string::npos);
  EXPECT_EQ(NbdTestAndSet("storage").Probe().ToString(),
            "\"storage\" is no disk service; write HOST:PORT or the path of "
            "its socket");
}

// Something else listens there.
TEST_F(NbdTestAndSetTest, PortThatTakesConnectionsAndSaysNothingIsNamed) {
  const std::string path = service_.config() + ".mute";
  const ScopedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct {
    sa_family_t family = AF_UNIX;
    char path[108] = {};
  } name;
  path.copy(name.path, sizeof name.path - 1);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(listen(fd.get(), 1), 0);
  const auto answer =
      NbdTestAndSet(path, milliseconds(100)).Acquire("vm1", 0, "hostA");
  EXPECT_EQ(answer.outcome, TestAndSetOutcome::kUnreachable);
  EXPECT_NE(answer.error.message().find("does not answer within 100 ms"),
            std::string::npos);
}

TEST_F(NbdTestAndSetTest, OlderStoreIsUnreachableAndSaysWhy) {
  ASSERT_EQ(store_.Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  const auto answer = store_.Acquire("vm1", 4, "hostA");
  EXPECT_EQ(answer.outcome, TestAndSetOutcome::kUnreachable);
  EXPECT_NE(answer.error.message().find(
                " has only epoch 1 of vm1, which runs in epoch 4"),
            std::string::npos);
}

}  // namespace
}  // namespace ft::fencing
