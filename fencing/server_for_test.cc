// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/server_for_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "logchannel/check.h"
#include "logchannel/scoped_fd.h"

namespace ft::fencing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kStartTimeout{20};

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool TakesConnections(uint16_t port) {
  const ScopedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(port);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof address) == 0;
}

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

[[noreturn]] void Exec(const std::vector<std::string>& argv,
                       const std::string& log_path) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  _exit(127);
}

}  // namespace

uint16_t FreePort() {
  const ScopedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  FT_CHECK(bind(fd.get(), name, size) == 0 &&
           getsockname(fd.get(), name, &size) == 0)
      << "no free port";
  return ntohs(address.sin_port);
}

ServerForTest::ServerForTest(std::vector<std::string> argv, uint16_t port,
                             std::string log_path)
    : argv_(std::move(argv)), port_(port), log_path_(std::move(log_path)) {}

ServerForTest::~ServerForTest() {
  if (pid_ > 0) Kill();
}

void ServerForTest::Start() {
  pid_ = fork();
  FT_CHECK(pid_ >= 0) << "fork";
  if (pid_ == 0) Exec(argv_, log_path_);
  const auto deadline = steady_clock::now() + kStartTimeout;
  while (!TakesConnections(port_)) {
    int status = 0;
    FT_CHECK(waitpid(pid_, &status, WNOHANG) == 0 &&
             steady_clock::now() < deadline)
        << argv_[0]
        << " did not start (package missing?): " << ReadAll(log_path_);
    std::this_thread::sleep_for(milliseconds(2));
  }
}

void ServerForTest::Kill() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ServerForTest::Stop() { kill(pid_, SIGSTOP); }
void ServerForTest::Continue() { kill(pid_, SIGCONT); }

}  // namespace ft::fencing
