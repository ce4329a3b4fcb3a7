// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ftd_pair_for_test.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <iostream>
#include <thread>

#include "logchannel/scoped_fd.h"

namespace ft::cli {
namespace {

using namespace std::chrono_literals;

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

void Introduce(FtdForTest& ftd, const std::string& name, const FtdForTest& peer,
               const std::string& peer_name) {
  ftd.Set("host", "\"" + name + "\"");
  ftd.Set("engine", "\"" COUNTING_ENGINE "\"");
  const int first = FreePorts();
  ftd.Set("clone_ports",
          "[" + std::to_string(first) + ", " + std::to_string(first + 9) + "]");
  ftd.Set("hosts." + peer_name + ".address", "\"127.0.0.1\"");
  ftd.Set("hosts." + peer_name + ".log_port", peer.Get("log_port"));
}

}  // namespace

void FtdPairTest::SetUp() {
  Introduce(a_, "hostA", b_, "hostB");
  Introduce(b_, "hostB", a_, "hostA");
  b_.Set("shared_dir", a_.Get("shared_dir"));
}

void FtdPairTest::StartBoth() {
  ASSERT_TRUE(a_.Start()) << a_.Log();
  ASSERT_TRUE(b_.Start()) << b_.Log();
}

void FtdPairTest::TearDown() {
  if (HasFailure()) std::cerr << a_.Log() << "\n" << b_.Log();
  for (FtdForTest* ftd : {&a_, &b_}) {
    for (const char* vm : {"vm1", "vm2"}) (void)ftd->Ftctl({"stop", vm});
  }
}

void FtdPairTest::Must(const Finished& done) {
  ASSERT_EQ(done.exit_code, 0) << done.err;
}

std::string FtdPairTest::Field(const FtdForTest& ftd, const std::string& vm,
                               const char* key) {
  const Finished status = ftd.Ftctl({"status", vm, "--json"});
  if (status.exit_code != 0) return status.err;
  const boost::json::value parsed = boost::json::parse(status.out);
  const boost::json::value& field =
      parsed.as_object().at("vms").as_array().at(0).as_object().at(key);
  return field.is_string() ? std::string(field.as_string())
                           : boost::json::serialize(field);
}

bool FtdPairTest::Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + 8s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

}  // namespace ft::cli
