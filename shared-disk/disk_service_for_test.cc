// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/disk_service_for_test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <rocksdb/db.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "logchannel/check.h"
#include "logchannel/scoped_fd.h"
#include "shared-disk/epoch_store.h"

namespace ft::shared_disk {
namespace {

// A port that nobody has now.
uint16_t FreePort() {
  const ScopedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  auto* generic = reinterpret_cast<sockaddr*>(&name);
  FT_CHECK(bind(fd.get(), generic, size) == 0) << "no free port";
  FT_CHECK(getsockname(fd.get(), generic, &size) == 0) << "getsockname";
  return ntohs(name.sin_port);
}

// The child's pid; it writes to `out` and dies with this thread.
pid_t Spawn(const std::vector<std::string>& arguments, int out) {
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(FT_DISK_SERVICE));
  for (const std::string& word : arguments) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t pid = fork();
  FT_CHECK(pid >= 0) << "fork";
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#ifdef FT_SANITIZER_RUNTIME
    setenv("LD_PRELOAD", FT_SANITIZER_RUNTIME, 1);
    // What nbdkit keeps until its end is its own affair.
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
#endif
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  return pid;
}

}  // namespace

DiskServiceForTest::DiskServiceForTest(const Options& options)
    : scratch_(options.parent) {
  address_ = options.tcp ? "127.0.0.1:" + std::to_string(FreePort())
                         : (scratch_.path() / "socket").string();
  std::ofstream toml(config());
  toml << "listen = \"" << address_ << "\"\nstate_dir = \"" << store()
       << "\"\n";
  for (const std::string& disk : options.disks) {
    const size_t space = disk.find(' ');
    const std::string name = disk.substr(0, space);
    toml << "[disks." << name << "]\npath = \"" << image(name) << "\"\nvm = \""
         << disk.substr(space + 1) << "\"\n";
    std::ofstream(image(name)).flush();
    std::filesystem::resize_file(image(name), options.disk_bytes);
  }
  toml.close();
  const Status made = EpochStore::Create(store());
  FT_CHECK(made.ok()) << made.ToString();
  FT_CHECK(Start()) << log();
}

DiskServiceForTest::~DiskServiceForTest() { Kill(); }

bool DiskServiceForTest::Start() {
  FT_CHECK(pid_ == 0) << "it runs already, as " << pid_;
  int ends[2];
  FT_CHECK(pipe2(ends, O_CLOEXEC) == 0) << "pipe";
  size_t said = 0;
  {
    const std::lock_guard lock(mutex_);
    said = log_.size();
    log_ended_ = false;
  }
  pid_ = Spawn({"--config", config()}, ends[1]);
  close(ends[1]);
  log_reader_ = std::jthread([this, fd = ends[0]] { ReadLog(fd); });
  const std::string ready = "the disk service is ready";
  std::unique_lock lock(mutex_);
  said_.wait(lock,
             [&] { return log_ended_ || log_.find(ready, said) != log_.npos; });
  const bool is_ready = log_.find(ready, said) != log_.npos;
  lock.unlock();
  if (!is_ready) End(SIGKILL);
  return is_ready;
}

void DiskServiceForTest::ReadLog(int fd) {
  const ScopedFd owner(fd);
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) {
    const std::lock_guard lock(mutex_);
    log_.append(buffer, static_cast<size_t>(n));
    said_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  log_ended_ = true;
  said_.notify_all();
}

void DiskServiceForTest::End(int signal) {
  if (pid_ == 0) return;
  kill(pid_, signal);
  kill(pid_, SIGCONT);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
  log_reader_ = {};
}

void DiskServiceForTest::Kill() { End(SIGKILL); }
void DiskServiceForTest::Stop() { End(SIGTERM); }
void DiskServiceForTest::Pause() {
  kill(pid_, SIGSTOP);
  // The signal is sent; its threads stop a moment later.
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED);
}
void DiskServiceForTest::Continue() { kill(pid_, SIGCONT); }

std::string DiskServiceForTest::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

bool DiskServiceForTest::AwaitLog(const std::string& text) {
  std::unique_lock lock(mutex_);
  said_.wait(lock, [&] { return log_ended_ || log_.find(text) != log_.npos; });
  return log_.find(text) != log_.npos;
}

void DiskServiceForTest::Damage(const std::string& vm) {
  FT_CHECK(pid_ == 0) << "its store is in use";
  rocksdb::DB* db = nullptr;
  auto status = rocksdb::DB::Open(rocksdb::Options(), store(), &db);
  FT_CHECK(status.ok()) << status.ToString();
  status =
      db->Put(rocksdb::WriteOptions(), "vm/" + vm, "neither fish nor fowl");
  FT_CHECK(status.ok()) << status.ToString();
  delete db;
}

std::string RunDiskService(const std::vector<std::string>& arguments) {
  int ends[2];
  FT_CHECK(pipe2(ends, O_CLOEXEC) == 0) << "pipe";
  const pid_t pid = Spawn(arguments, ends[1]);
  close(ends[1]);
  const ScopedFd from(ends[0]);
  std::string said;
  char buffer[4096];
  for (ssize_t n; (n = read(from.get(), buffer, sizeof buffer)) > 0;) {
    said.append(buffer, static_cast<size_t>(n));
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return said + "|" + std::to_string(WEXITSTATUS(status));
}

}  // namespace ft::shared_disk
