// SPDX-License-Identifier: GPL-2.0-or-later
//
// The guest's side of the workloads with devices, on a plain engine: a
// workload that does not work proves nothing about replay. Needs the guests
// that ./lockstep test -L debian makes.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/bench/peers.h"
#include "tests/replay/network_bed.h"
#include "tests/replay/redis_load.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;

std::vector<std::string> WithDevices() {
  std::vector<std::string> workloads;
  for (const Workload& workload : AllWorkloads()) {
    if (workload.kernel == std::string("vmlinuz-devices")) {
      workloads.push_back(workload.name);
    }
  }
  return workloads;
}

class Guest : public ::testing::TestWithParam<std::string> {
 protected:
  Guest() : machine_(*FindWorkload(GetParam())) {}

  replay::PairOptions Plain() const {
    replay::PairOptions options = machine_.Options();
    options.plain = true;
    return options;
  }

  const replay::NetworkBed bed_;
  const Machine machine_;
};

// With e2fsck's -n nothing is repaired, and its journal is not replayed: the
// guest has put its root to rest.
void ExpectCleanFileSystem(const std::string& image) {
  const std::string command = "e2fsck -fn " + image + " >/dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

TEST_P(Guest, DoesItsWork) {
  const Workload& workload = *FindWorkload(GetParam());
  ASSERT_TRUE(bed_.status().ok()) << bed_.status().ToString();
  const Status image = machine_.MakeImage();
  ASSERT_TRUE(image.ok()) << image.ToString();
  EnginePair pair(Plain());
  ASSERT_TRUE(pair.StartPrimary());
  std::optional<bench::BulkPeer> sender, receiver;
  if (workload.sends_to_guest) {
    sender.emplace(bench::Peer::kSender, workload.rounds);
  }
  if (workload.takes_from_guest) {
    receiver.emplace(bench::Peer::kReceiver, workload.rounds);
  }
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  std::optional<Operator> hired;
  const Status hiring = machine_.HireOperator(pair, 1, &hired);
  ASSERT_TRUE(hiring.ok()) << hiring.ToString();
  if (workload.ends == Ends::kWithItsClient) {
    replay::RedisLoad client(workload.rounds);
    EXPECT_TRUE(
        pair.WaitUntil([&] { return client.done(); }, replay::kPatience));
    EXPECT_EQ(client.error(), "");
    return;
  }
  EXPECT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-DONE"))
      << pair.Console(Side::kPrimary);
  if (hired) {
    EXPECT_NE(pair.Console(Side::kPrimary).find(hired->typed()),
              std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Torture, Guest, ::testing::ValuesIn(WithDevices()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

// The root is left as a machine that is switched off leaves it.
TEST(DebianGuest, PowersOffWithACleanFileSystem) {
  const replay::NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  Workload workload = *FindWorkload("debian-hdd");
  workload.rounds = 2;
  workload.kernel_arguments = "ft.end=poweroff";
  const Machine machine(workload);
  ASSERT_TRUE(machine.MakeImage().ok());
  replay::PairOptions options = machine.Options();
  options.plain = true;
  EnginePair pair(options);
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "reboot: Power down"));
  ExpectCleanFileSystem(machine.image_path());
}

}  // namespace
}  // namespace ft::torture
