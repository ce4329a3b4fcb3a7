// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ftd_for_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "logchannel/scoped_fd.h"

namespace ft::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

pid_t Spawn(const std::vector<std::string>& argv, const std::string& out,
            const std::string& err) {
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  pid_t pid = fork();
  if (pid != 0) return pid;
  int flags = O_WRONLY | O_CREAT | O_TRUNC;
  dup2(open(out.c_str(), flags, 0600), STDOUT_FILENO);
  dup2(open(err.c_str(), flags, 0600), STDERR_FILENO);
  execv(arguments[0], arguments.data());
  _exit(127);
}

// The exit code, or nothing while it runs.
bool Reap(pid_t pid, int* exit_code) {
  int status = 0;
  if (waitpid(pid, &status, WNOHANG) != pid) return false;
  *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return true;
}

bool ReapWithin(pid_t pid, seconds timeout, int* exit_code) {
  auto deadline = steady_clock::now() + timeout;
  while (steady_clock::now() < deadline) {
    if (Reap(pid, exit_code)) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

// A port of the loopback that nobody uses at this moment.
int FreePort(int type) {
  ScopedFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  auto* address = reinterpret_cast<sockaddr*>(&name);
  if (bind(fd.get(), address, size) != 0) return 0;
  getsockname(fd.get(), address, &size);
  return ntohs(name.sin_port);
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

Finished RunProgram(const std::vector<std::string>& argv,
                    const std::string& scratch_dir) {
  Finished finished;
  std::string out = scratch_dir + "/program.out";
  std::string err = scratch_dir + "/program.err";
  pid_t pid = Spawn(argv, out, err);
  if (!ReapWithin(pid, seconds(30), &finished.exit_code)) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  finished.out = ReadAll(out);
  finished.err = ReadAll(err);
  return finished;
}

FtdForTest::FtdForTest() {
  std::filesystem::create_directory(dir_ / "shared");
  for (const char* name : {"state", "run", "ring", "shared"}) {
    Set(name + std::string("_dir"), Quoted(dir_ / name));
  }
  Set("host", Quoted("hostA"));
  Set("engine", Quoted("/nowhere/qemu-system-x86_64"));
  Set("listen", Quoted("127.0.0.1"));
  Set("log_port", std::to_string(FreePort(SOCK_STREAM)));
  Set("heartbeat_port", std::to_string(FreePort(SOCK_DGRAM)));
  Set("clone_ports", "[1, 2]");
}

FtdForTest::~FtdForTest() {
  if (pid_ > 0) End(SIGTERM);
}

void FtdForTest::Set(const std::string& key, const std::string& value) {
  config_[key] = value;
}

std::string FtdForTest::Write(const std::string& name,
                              const std::string& text) const {
  std::ofstream(dir_ / name) << text;
  return dir_ / name;
}

std::string FtdForTest::WriteConfig() {
  std::string text;
  for (const auto& [key, value] : config_) text += key + " = " + value + "\n";
  return Write("ftd.toml", text + tables_);
}

bool FtdForTest::Start() {
  pid_ = Spawn({FT_FTD_PATH, "--config", WriteConfig()}, dir_ / "ftd.out",
               dir_ / "ftd.err");
  return WaitUntilItAnswers();
}

bool FtdForTest::WaitUntilItAnswers() {
  auto deadline = steady_clock::now() + seconds(20);
  while (steady_clock::now() < deadline) {
    if (Reap(pid_, &exit_code_)) {
      pid_ = -1;
      return false;
    }
    if (std::filesystem::exists(socket_path()) &&
        !Say("{\"verb\":\"version\"}\n").empty()) {
      return true;
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

int FtdForTest::End(int signal) {
  kill(pid_, signal);
  if (!ReapWithin(pid_, seconds(15), &exit_code_)) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    exit_code_ = -1;
  }
  pid_ = -1;
  return exit_code_;
}

std::string FtdForTest::Log() const { return ReadAll(dir_ / "ftd.err"); }

Finished FtdForTest::Ftctl(std::vector<std::string> arguments) const {
  std::vector<std::string> argv = {FT_FTCTL_PATH, "--socket", socket_path()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return RunProgram(argv, dir_.path());
}

std::string FtdForTest::Say(const std::string& bytes) const {
  ScopedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval patience = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, socket_path().c_str(), sizeof(name.sun_path) - 1);
  auto* address = reinterpret_cast<sockaddr*>(&name);
  if (connect(fd.get(), address, sizeof(name)) != 0) return "";
  size_t sent = 0;
  while (sent < bytes.size()) {
    ssize_t n =
        send(fd.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  std::string answer;
  char byte = 0;
  while (recv(fd.get(), &byte, 1, 0) == 1) {
    answer += byte;
    if (byte == '\n') break;
  }
  return answer;
}

bool FtdForTest::KnockAtLogPort(const std::string& bytes) const {
  ScopedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval patience = {.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(std::stoi(Get("log_port"))));
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* address = reinterpret_cast<sockaddr*>(&name);
  if (connect(fd.get(), address, sizeof(name)) != 0) return false;
  if (!bytes.empty() &&
      send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
    return false;
  }
  char byte = 0;
  ssize_t n = recv(fd.get(), &byte, 1, 0);
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

}  // namespace ft::cli
