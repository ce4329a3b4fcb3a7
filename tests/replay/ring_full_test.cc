// SPDX-License-Identifier: GPL-2.0-or-later
//
// A full ring stops the primary, and nothing else: QMP answers, packets wait
// or are dropped as on any busy machine, and when space comes the VM runs on
// in lockstep.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "logchannel/scoped_fd.h"
#include "tests/replay/engine_pair.h"
#include "tests/replay/network_bed.h"

namespace ft::replay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Every byte that the guest receives goes through the log, so a flood of
// datagrams fills it.
class Flood {
 public:
  Flood() : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    guest_.sin_family = AF_INET;
    guest_.sin_port = htons(9);  // discard: nobody listens
    inet_pton(AF_INET, kGuestAddress, &guest_.sin_addr);
  }
  void SendSome() {
    static constexpr char kPayload[1400] = {};
    for (int i = 0; i < 100; ++i) {
      (void)sendto(socket_.get(), kPayload, sizeof kPayload, MSG_DONTWAIT,
                   reinterpret_cast<const sockaddr*>(&guest_), sizeof guest_);
    }
  }

 private:
  const ScopedFd socket_;
  sockaddr_in guest_ = {};
};

TEST(RingFull, PrimaryWaits) {
  NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  EnginePair pair({.workload = "redis", .network = true});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.Clone());
  pair.SetPumping(false);

  // Full: no room for two of the largest entries, which the engine keeps in
  // reserve, and the log stands still although the flood goes on.
  auto& ring = pair.engine(Side::kPrimary).ring();
  const uint64_t full = ring.data_size() - 2 * logchannel::kEntryBytesMax;
  Flood flood;
  uint64_t before = 0;
  int still = 0;
  ASSERT_TRUE(pair.WaitUntil(
      [&] {
        flood.SendSome();
        const uint64_t now = ring.committed();
        still =
            now == before && now - ring.acknowledged() >= full ? still + 1 : 0;
        before = now;
        return still == 20;
      },
      kPatience))
      << before - ring.acknowledged() << " bytes in the ring";
  EXPECT_LE(ring.committed() - ring.acknowledged(), ring.data_size());
  const uint64_t icount = pair.Query(Side::kPrimary).icount;
  pair.Run(milliseconds(300));
  EXPECT_EQ(pair.Query(Side::kPrimary).icount, icount);

  pair.SetPumping(true);
  EXPECT_TRUE(
      pair.WaitUntil([&] { return ring.committed() > before; }, seconds(10)));
  pair.ExpectIdentical();
}

}  // namespace
}  // namespace ft::replay
