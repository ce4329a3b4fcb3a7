// SPDX-License-Identifier: GPL-2.0-or-later
//
// The test-and-set in a real etcd.
#include "fencing/etcd_test_and_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fencing/etcd_for_test.h"
#include "fencing/lossy_proxy_for_test.h"
#include "fencing/test_and_set_conformance.h"

namespace ft::fencing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

bool IsTransaction(std::string_view bytes) {
  return bytes.starts_with("POST /v3/kv/txn ");
}

class EtcdUnderTest : public StoreUnderTest {
 public:
  std::unique_ptr<TestAndSet> Open() override {
    return std::make_unique<EtcdTestAndSet>(Cluster());
  }
  int race_rounds() const override { return 200; }
  void Damage(const std::string& vm) override {
    const Status status =
        EtcdClient(Cluster()).Put("/lockstep/" + vm, "neither fish nor fowl\n",
                                  steady_clock::now() + seconds(5));
    FT_CHECK(status.ok()) << status.ToString();
  }
  void Vanish() override { etcd_.server().Kill(); }
  void Return() override { etcd_.Start(); }
  void Hang() override { etcd_.server().Stop(); }
  void Continue() override { etcd_.server().Continue(); }

 protected:
  virtual EtcdCluster Cluster() const { return {.endpoints = {etcd_.url()}}; }

  EtcdForTest etcd_;
};

// The same through a proxy that loses replies.
class LossyEtcdUnderTest : public EtcdUnderTest {
 public:
  void LoseReplies(int count) override { proxy_.LoseReplies(count); }

 private:
  EtcdCluster Cluster() const override {
    return {.endpoints = {EtcdForTest::Url(proxy_.port())}};
  }

  LossyProxyForTest proxy_{etcd_.port(), &IsTransaction};
};

template <typename Store>
std::unique_ptr<StoreUnderTest> Make() {
  return std::make_unique<Store>();
}

INSTANTIATE_TEST_SUITE_P(Etcd, TestAndSetConformance,
                         testing::Values(&Make<EtcdUnderTest>));
INSTANTIATE_TEST_SUITE_P(Etcd, SharedStoreConformance,
                         testing::Values(&Make<EtcdUnderTest>));
INSTANTIATE_TEST_SUITE_P(Etcd, RemoteStoreConformance,
                         testing::Values(&Make<LossyEtcdUnderTest>));

std::string Probe(const EtcdCluster& cluster) {
  return EtcdTestAndSet(cluster).Probe().ToString();
}

TEST(EtcdTestAndSet, Endpoints_AreTriedInTurn) {
  EtcdForTest etcd;
  EtcdForTest hung;
  hung.server().Stop();
  EtcdTestAndSet store(
      {.endpoints = {EtcdForTest::Url(FreePort()), hung.url(), etcd.url()}});
  EXPECT_EQ(store.Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  // From now on the one that answered is asked first.
  const auto begun = steady_clock::now();
  EXPECT_EQ(store.Acquire("vm1", 1, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  EXPECT_LT(steady_clock::now() - begun, milliseconds(250));
  hung.server().Continue();
}

TEST(EtcdTestAndSet, Tls_BothSidesShowCertificates) {
  EtcdForTest etcd(true);
  const std::string url = "https://127.0.0.1:" + std::to_string(etcd.port());
  const EtcdCluster cluster = {.endpoints = {url},
                               .ca = etcd.File("ca.pem"),
                               .cert = etcd.File("cert.pem"),
                               .key = etcd.File("key.pem")};
  EXPECT_EQ(Probe(cluster), "");
  EXPECT_EQ(EtcdTestAndSet(cluster).Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  EtcdCluster stranger = cluster;
  stranger.cert = stranger.key = "";
  EXPECT_THAT(Probe(stranger), HasSubstr("etcd does not answer (https://"));
  EtcdCluster trusting = cluster;
  trusting.ca = "";
  EXPECT_THAT(Probe(trusting), HasSubstr("certificate"));
}

// Each line is what an operator reads; each names the place and the remedy.
TEST(EtcdTestAndSet, Refusals_AreOneClearLine) {
  EtcdForTest etcd;
  const std::string nobody = EtcdForTest::Url(FreePort());
  EXPECT_THAT(Probe({.endpoints = {nobody}}),
              HasSubstr("etcd does not answer (" + nobody + ": "));
  EXPECT_THAT(Probe({.endpoints = {nobody}}),
              HasSubstr("; check that a majority of its members runs"));
  EtcdClient client({.endpoints = {etcd.url()}});
  EtcdTestAndSet store({.endpoints = {etcd.url()}});
  store.Acquire("vm1", 0, "hostA");
  const Deadline deadline = steady_clock::now() + seconds(5);
  const auto copied = client.Get("/lockstep/vm1", deadline);
  ASSERT_TRUE(client.Put("/lockstep/vm2", copied.value().bytes, deadline).ok());
  EXPECT_THAT(store.Read("vm2").status().ToString(),
              HasSubstr("/lockstep/vm2 in etcd is of vm1; remove the key"));
  ASSERT_TRUE(client.Put("/lockstep/vm2", "", deadline).ok());
  EXPECT_THAT(store.Read("vm2").status().ToString(), HasSubstr("is damaged"));
}

// Not an etcd at all: whoever listens there answers something else.
TEST(EtcdTestAndSet, WhateverElseAnswersIsNoStore) {
  EtcdForTest etcd;
  const EtcdCluster wrong = {.endpoints = {etcd.url() + "/elsewhere"}};
  EXPECT_THAT(Probe(wrong), HasSubstr("does not speak etcd's API v3"));
}

TEST(EtcdClient, DeleteAll_TakesWhatHasThePrefixOnly) {
  EtcdForTest etcd;
  EtcdClient client({.endpoints = {etcd.url()}});
  const Deadline deadline = steady_clock::now() + seconds(10);
  for (const char* key : {"/a/1", "/a/2", "/a", "/b"}) {
    ASSERT_TRUE(client.Put(key, key, deadline).ok());
  }
  ASSERT_TRUE(client.DeleteAll("/a/", deadline).ok());
  EXPECT_EQ(client.Get("/a/1", deadline).value().revision, 0u);
  EXPECT_EQ(client.Get("/a", deadline).value().bytes, "/a");
  EXPECT_EQ(client.Get("/b", deadline).value().bytes, "/b");
}

}  // namespace
}  // namespace ft::fencing
