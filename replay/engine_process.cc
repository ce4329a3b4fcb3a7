// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/engine_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ft::replay {
namespace {

// glibc 2.36 declares these without C linkage.
int PidfdOpen(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

void PidfdSendSignal(int pidfd, int signal) {
  syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
}

// Owns the two posix_spawn objects.
class SpawnSetup {
 public:
  explicit SpawnSetup(const std::string& stderr_log) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null",
                                     O_RDONLY, 0);
    posix_spawn_file_actions_addopen(
        &actions_, STDOUT_FILENO, stderr_log.c_str(),
        O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0640);
    posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    // A session of its own: no signal meant for ftd's group reaches it. ftd's
    // blocked or ignored signals are not the engine's business either.
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID |
                                               POSIX_SPAWN_SETSIGMASK |
                                               POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSetup() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  int Spawn(const std::vector<std::string>& argv, pid_t* pid) {
    std::vector<char*> pointers;
    for (const std::string& word : argv) {
      pointers.push_back(const_cast<char*>(word.c_str()));
    }
    pointers.push_back(nullptr);
    return posix_spawn(pid, pointers[0], &actions_, &attributes_,
                       pointers.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

Status CheckBinary(const std::string& binary) {
  if (access(binary.c_str(), X_OK) == 0) return Status::Ok();
  return Status::Unavailable(
      "engine " + binary + ": " + std::strerror(errno),
      "build it with ./lockstep build, or correct `engine` in ftd.toml");
}

Status CheckLogDirectory(const std::string& path) {
  const auto directory = std::filesystem::path(path).parent_path();
  if (access(directory.c_str(), W_OK) == 0) return Status::Ok();
  return Status::Unavailable(
      "directory " + directory.string() + ": " + std::strerror(errno),
      "create it, writable for ftd");
}

// True when one of the NUL-separated arguments of `pid` contains `needle`.
bool CommandLineNames(pid_t pid, const std::string& needle) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline",
                     std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return !needle.empty() && text.str().find(needle) != std::string::npos;
}

// The resolved executable; a replaced binary reads "PATH (deleted)" and is
// still the same engine.
std::string ExecutableOf(pid_t pid) {
  std::error_code error;
  std::string path = std::filesystem::read_symlink(
                         "/proc/" + std::to_string(pid) + "/exe", error)
                         .string();
  const std::string deleted = " (deleted)";
  if (path.ends_with(deleted)) path.resize(path.size() - deleted.size());
  return path;
}

}  // namespace

std::string ExitStatus::Describe() const {
  if (code) return "exited with " + std::to_string(*code);
  if (signal) return "was killed by signal " + std::to_string(*signal);
  return "ended";
}

EngineProcess::EngineProcess(pid_t pid, int pidfd, std::string stderr_log)
    : pid_(pid), pidfd_(pidfd), stderr_log_(std::move(stderr_log)) {}

EngineProcess::~EngineProcess() {
  Running();  // reaps it if it has ended
  close(pidfd_);
}

Result<std::unique_ptr<EngineProcess>> EngineProcess::Spawn(
    const std::vector<std::string>& argv, const std::string& stderr_log) {
  if (auto status = CheckBinary(argv.at(0)); !status.ok()) return status;
  if (auto status = CheckLogDirectory(stderr_log); !status.ok()) {
    return status;
  }
  pid_t pid = 0;
  if (int error = SpawnSetup(stderr_log).Spawn(argv, &pid); error != 0) {
    return Status::Unavailable("engine " + argv[0] +
                               " does not start: " + std::strerror(error));
  }
  // The pid is ours until it is reaped, so this cannot hit a stranger.
  const int pidfd = PidfdOpen(pid);
  if (pidfd < 0) {
    const std::string why = std::strerror(errno);
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return Status::Unavailable("pidfd_open: " + why,
                               "Lockstep needs Linux 5.4 or newer");
  }
  return std::unique_ptr<EngineProcess>(
      new EngineProcess(pid, pidfd, stderr_log));
}

Result<std::unique_ptr<EngineProcess>> EngineProcess::Adopt(
    pid_t pid, const std::string& binary, const std::string& ring_path,
    const std::string& stderr_log) {
  const std::string who = "process " + std::to_string(pid);
  const int pidfd = pid > 0 ? PidfdOpen(pid) : -1;
  if (pidfd < 0) return Status::Invalid(who + " is gone");
  auto process =
      std::unique_ptr<EngineProcess>(new EngineProcess(pid, pidfd, stderr_log));
  // Verified after the pidfd is open: what /proc says now is about the
  // process behind it unless that one has ended, which Running() tells.
  std::error_code error;
  const auto expected = std::filesystem::canonical(binary, error);
  if (ExecutableOf(pid) != expected || !CommandLineNames(pid, ring_path)) {
    return Status::Invalid(who + " is not the engine of " + ring_path);
  }
  if (!process->Running()) return Status::Invalid(who + " is gone");
  return process;
}

bool EngineProcess::Running() {
  if (!exit_) WaitForExit(0);
  return !exit_;
}

bool EngineProcess::WaitForExit(int timeout_ms) {
  if (exit_) return true;
  pollfd ended = {.fd = pidfd_, .events = POLLIN, .revents = 0};
  int ready = 0;
  do {
    ready = poll(&ended, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return false;
  exit_ = ExitStatus{};
  // Only a child of ours leaves a status; of an adopted one this fails.
  siginfo_t info = {};
  if (waitid(P_PIDFD, static_cast<id_t>(pidfd_), &info, WEXITED | WNOHANG) ==
      0) {
    if (info.si_code == CLD_EXITED) {
      exit_->code = info.si_status;
    } else {
      exit_->signal = info.si_status;
    }
  }
  return true;
}

void EngineProcess::Kill() {
  if (Running()) PidfdSendSignal(pidfd_, SIGKILL);
}

std::string EngineProcess::LastErrorLine() const {
  std::ifstream file(stderr_log_);
  std::string line, last;
  while (std::getline(file, line)) {
    if (!line.empty()) last = line;
  }
  const std::string prefix = "qemu-system-x86_64: ";
  if (last.starts_with(prefix)) last.erase(0, prefix.size());
  return last;
}

}  // namespace ft::replay
