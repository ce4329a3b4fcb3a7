// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/etcd_for_test.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include "fencing/etcd_client.h"

namespace ft::fencing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// One certificate that signs itself serves as authority, server and client.
void MakeCertificate(const std::string& directory) {
  const std::string command =
      "cd " + directory +
      " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
      "-nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=lockstep "
      "-addext subjectAltName=IP:127.0.0.1 >openssl.log 2>&1 "
      "&& cp cert.pem ca.pem";
  FT_CHECK(std::system(command.c_str()) == 0) << command;
}

}  // namespace

EtcdForTest::EtcdForTest(bool tls)
    : tls_(tls), server_(Argv(), port_, File("etcd.log")) {
  if (tls_) MakeCertificate(scratch_.path());
  Start();
}

std::string EtcdForTest::Url(uint16_t port) {
  return "http://127.0.0.1:" + std::to_string(port);
}

std::vector<std::string> EtcdForTest::Argv() const {
  const std::string client = (tls_ ? "https" : "http") +
                             std::string("://127.0.0.1:") +
                             std::to_string(port_);
  const std::string peer = Url(FreePort());
  std::vector<std::string> argv = {"etcd",
                                   "--name=one",
                                   "--data-dir=" + File("data"),
                                   "--listen-client-urls=" + client,
                                   "--advertise-client-urls=" + client,
                                   "--listen-peer-urls=" + peer,
                                   "--initial-advertise-peer-urls=" + peer,
                                   "--initial-cluster=one=" + peer,
                                   "--heartbeat-interval=10",
                                   "--election-timeout=100",
                                   "--logger=zap",
                                   "--log-level=error"};
  if (tls_) {
    argv.insert(
        argv.end(),
        {"--cert-file=" + File("cert.pem"), "--key-file=" + File("key.pem"),
         "--trusted-ca-file=" + File("ca.pem"), "--client-cert-auth"});
  }
  return argv;
}

void EtcdForTest::Start() {
  server_.Start();
  EtcdCluster cluster{.endpoints = {Url(port_)}};
  if (tls_) {
    cluster = {.endpoints = {"https://127.0.0.1:" + std::to_string(port_)},
               .ca = File("ca.pem"),
               .cert = File("cert.pem"),
               .key = File("key.pem")};
  }
  EtcdClient client(cluster);
  const auto deadline = steady_clock::now() + seconds(20);
  for (;;) {
    const auto value =
        client.Get("/", std::min(deadline, steady_clock::now() + seconds(1)));
    if (value.ok()) return;
    FT_CHECK(steady_clock::now() < deadline) << value.status().ToString();
    std::this_thread::sleep_for(milliseconds(5));
  }
}

}  // namespace ft::fencing
