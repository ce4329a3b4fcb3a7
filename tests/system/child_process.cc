// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

namespace ft::bed {
namespace {

struct Pipe {
  int read_end = -1;
  int write_end = -1;

  Pipe() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
      throw BedError(std::string("pipe: ") + strerror(errno));
    }
    read_end = fds[0];
    write_end = fds[1];
  }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void CloseRead() { CloseEnd(read_end); }
  void CloseWrite() { CloseEnd(write_end); }
  static void CloseEnd(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
};

int OpenForAppend(const std::string& path) {
  const char* name = path.empty() ? "/dev/null" : path.c_str();
  int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) throw BedError(path + ": " + strerror(errno));
  return fd;
}

// fork and exec with these three descriptors. Between the two only calls
// that are safe in the child of a threaded process.
pid_t Spawn(const std::vector<std::string>& argv, int in, int out, int err) {
  std::vector<char*> arguments;
  for (const std::string& word : argv) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw BedError(std::string("fork: ") + strerror(errno));
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it died before the line above
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvp(arguments[0], arguments.data());
  dprintf(2, "%s: %s\n", arguments[0], strerror(errno));
  _exit(127);
}

int ExitCodeOf(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
                                  : WEXITSTATUS(wait_status);
}

int MillisecondsUntil(Clock::time_point deadline) {
  const auto left =
      std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

// Moves what is there to read into `text`; false at the end of file.
bool Drain(int fd, std::string& text) {
  char buffer[65536];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) return false;
  text.append(buffer, static_cast<size_t>(n));
  return true;
}

// Reads both pipes to their ends; false if the deadline came first.
bool Collect(Pipe& out, Pipe& err, Clock::time_point deadline,
             CommandResult& result) {
  while (out.read_end >= 0 || err.read_end >= 0) {
    pollfd fds[2] = {{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
    const int ready = poll(fds, 2, MillisecondsUntil(deadline));
    if (ready == 0) return false;
    if (fds[0].revents && !Drain(out.read_end, result.out)) out.CloseRead();
    if (fds[1].revents && !Drain(err.read_end, result.err)) err.CloseRead();
  }
  return true;
}

}  // namespace

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start)
      .count();
}

CommandResult Run(const std::vector<std::string>& argv,
                  const RunOptions& options) {
  const Clock::time_point start = Clock::now();
  Pipe in, out, err;
  const pid_t pid = Spawn(argv, in.read_end, out.write_end, err.write_end);
  in.CloseRead();
  out.CloseWrite();
  err.CloseWrite();
  // Inputs are a few lines; a pipe takes 64 KiB without a reader.
  if (write(in.write_end, options.input.data(), options.input.size()) < 0) {
    // It does not read: its exit code will tell.
  }
  in.CloseWrite();
  CommandResult result;
  if (!Collect(out, err, start + options.timeout, result)) {
    result.timed_out = true;
    kill(pid, SIGKILL);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = ExitCodeOf(status);
  result.elapsed_ms = MillisecondsSince(start);
  return result;
}

std::string RunOrThrow(const std::vector<std::string>& argv,
                       const RunOptions& options) {
  CommandResult result = Run(argv, options);
  if (result.ok()) return std::move(result.out);
  std::string command;
  for (const std::string& word : argv) command += word + " ";
  throw BedError(command + (result.timed_out ? "timed out" : "failed") + ": " +
                 result.err + result.out);
}

ChildProcess::ChildProcess(const Options& options) {
  const int err = OpenForAppend(options.error_path);
  if (options.talk) {
    Pipe in, out;
    pid_ = Spawn(options.argv, in.read_end, out.write_end, err);
    std::swap(to_child_, in.write_end);
    std::swap(from_child_, out.read_end);
  } else {
    const int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int out = OpenForAppend(options.output_path);
    pid_ = Spawn(options.argv, in, out, err);
    close(in);
    close(out);
  }
  close(err);
}

ChildProcess::~ChildProcess() {
  Kill();
  Pipe::CloseEnd(to_child_);
  Pipe::CloseEnd(from_child_);
}

void ChildProcess::Reap(bool wait) {
  if (exit_code_) return;
  int status = 0;
  pid_t reaped;
  do {
    reaped = waitpid(pid_, &status, wait ? 0 : WNOHANG);
  } while (reaped < 0 && errno == EINTR);
  if (reaped == pid_) exit_code_ = ExitCodeOf(status);
}

bool ChildProcess::running() {
  Reap(/*wait=*/false);
  return !exit_code_;
}

std::optional<int> ChildProcess::exit_code() {
  Reap(/*wait=*/false);
  return exit_code_;
}

void ChildProcess::Signal(int signal) {
  if (running()) kill(pid_, signal);
}

void ChildProcess::Kill() {
  Signal(SIGKILL);
  Reap(/*wait=*/true);
}

bool ChildProcess::WaitFor(milliseconds deadline) {
  const Clock::time_point end = Clock::now() + deadline;
  while (running()) {
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

bool ChildProcess::WriteLine(const std::string& line) {
  const std::string text = line + "\n";
  // A child that is gone must not end the bed by SIGPIPE.
  signal(SIGPIPE, SIG_IGN);
  return write(to_child_, text.data(), text.size()) ==
         static_cast<ssize_t>(text.size());
}

std::optional<std::string> ChildProcess::ReadLine(milliseconds deadline) {
  const Clock::time_point end = Clock::now() + deadline;
  while (true) {
    const size_t newline = unread_.find('\n');
    if (newline != std::string::npos) {
      std::string line = unread_.substr(0, newline);
      unread_.erase(0, newline + 1);
      return line;
    }
    pollfd fd = {from_child_, POLLIN, 0};
    if (poll(&fd, 1, MillisecondsUntil(end)) == 0) return std::nullopt;
    if (!Drain(from_child_, unread_)) return std::nullopt;
  }
}

}  // namespace ft::bed
