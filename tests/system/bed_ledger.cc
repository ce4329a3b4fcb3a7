// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/bed_ledger.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/system/child_process.h"
#include "tests/system/testbed.h"

namespace ft::bed {
namespace fs = std::filesystem;

namespace {

constexpr char kLedgerDir[] = "/run/lockstep-bed";

// Start time of a process in clock ticks since boot (field 22 of its stat);
// with the pid it names a process for ever. Empty: there is none.
std::string StartTimeOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  // The second field is the name in parentheses and may hold anything.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return "";
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) fields >> field;
  return field;
}

struct Fact {
  std::string key;
  std::string value;
};

std::vector<Fact> ReadFacts(const std::string& path) {
  std::vector<Fact> facts;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const size_t space = line.find(' ');
    if (space == std::string::npos) {
      facts.push_back({line, ""});
    } else {
      facts.push_back({line.substr(0, space), line.substr(space + 1)});
    }
  }
  return facts;
}

// The namespace's processes, all of them, whatever they still start.
void KillEverythingIn(const std::string& name) {
  for (int round = 0; round < 500; ++round) {
    const std::vector<pid_t> pids = ProcessesInNamespace(name);
    if (pids.empty()) return;
    for (pid_t pid : pids) kill(pid, SIGKILL);
    std::this_thread::sleep_for(milliseconds(4));
  }
}

// Empty on success.
std::string DeleteNamespace(const std::string& name) {
  const fs::path handle = fs::path("/run/netns") / name;
  if (!fs::exists(handle)) return "";
  KillEverythingIn(name);
  const std::vector<pid_t> left = ProcessesInNamespace(name);
  if (!left.empty()) {
    return "process " + std::to_string(left.front()) + " in " + name +
           " does not die";
  }
  const CommandResult result = Run({"ip", "netns", "del", name});
  return result.ok() ? "" : result.err;
}

std::string Unmount(const std::string& dir) {
  if (umount2(dir.c_str(), MNT_DETACH) == 0) return "";
  // Not mounted, or never made.
  if (errno == EINVAL || errno == ENOENT) return "";
  return "umount " + dir + ": " + strerror(errno);
}

std::string RemoveDirectory(const std::string& dir) {
  std::error_code error;
  fs::remove_all(dir, error);
  return error ? dir + ": " + error.message() : "";
}

}  // namespace

BedLedger::BedLedger(const std::string& run)
    : path_(std::string(kLedgerDir) + "/" + run + ".ledger") {
  fs::create_directories(kLedgerDir);
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC,
             0600);
  if (fd_ < 0) throw BedError(path_ + ": " + strerror(errno));
  Append("owner " + std::to_string(getpid()) + " " + StartTimeOf(getpid()));
  StartJanitor();
}

BedLedger::~BedLedger() {
  close(fd_);
  close(janitor_pipe_);
}

void BedLedger::AddNamespace(const std::string& name) {
  Append("netns " + name);
}
void BedLedger::AddMount(const std::string& dir) { Append("mount " + dir); }
void BedLedger::AddVolatileDirectory(const std::string& dir) {
  Append("volatile " + dir);
}
void BedLedger::AddFiles(const std::string& dir) { Append("files " + dir); }
void BedLedger::KeepFiles() { Append("keep"); }

void BedLedger::Append(const std::string& line) {
  const std::string text = line + "\n";
  if (write(fd_, text.data(), text.size()) !=
      static_cast<ssize_t>(text.size())) {
    throw BedError(path_ + ": " + strerror(errno));
  }
}

void BedLedger::StartJanitor() {
  const std::string program = SiblingProgram("lockstep_bed");
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) throw BedError("pipe failed");
  const pid_t pid = fork();
  if (pid < 0) throw BedError("fork failed");
  if (pid == 0) {
    // The janitor is no child of the bed: what kills the bed's process tree
    // must not kill it.
    setsid();
    const int null = open("/dev/null", O_RDWR);
    dup2(fds[0], 0);
    dup2(null, 1);
    dup2(null, 2);
    if (fork() != 0) _exit(0);
    execl(program.c_str(), "lockstep_bed", "janitor", path_.c_str(), nullptr);
    _exit(127);
  }
  close(fds[0]);
  janitor_pipe_ = fds[1];
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::vector<std::string> BedLedger::CleanUp(const std::string& path) {
  std::vector<std::string> troubles;
  auto note = [&](const std::string& trouble) {
    if (!trouble.empty()) troubles.push_back(trouble);
  };
  const std::vector<Fact> facts = ReadFacts(path);
  bool keep = false;
  for (const Fact& fact : facts) keep = keep || fact.key == "keep";
  for (const Fact& fact : facts) {
    if (fact.key == "netns") note(DeleteNamespace(fact.value));
  }
  for (const Fact& fact : facts) {
    if (fact.key == "mount") note(Unmount(fact.value));
  }
  for (const Fact& fact : facts) {
    if (fact.key == "volatile" || (fact.key == "files" && !keep)) {
      note(RemoveDirectory(fact.value));
    }
  }
  if (troubles.empty()) unlink(path.c_str());
  return troubles;
}

std::vector<std::string> BedLedger::Orphans() {
  std::vector<std::string> orphans;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kLedgerDir, error)) {
    if (entry.path().extension() != ".ledger") continue;
    const std::vector<Fact> facts = ReadFacts(entry.path());
    if (facts.empty() || facts.front().key != "owner") continue;
    std::istringstream owner(facts.front().value);
    pid_t pid = 0;
    std::string start_time;
    owner >> pid >> start_time;
    if (StartTimeOf(pid) != start_time) orphans.push_back(entry.path());
  }
  return orphans;
}

void BedLedger::JanitorMain(const std::string& path, int owner_pipe) {
  for (int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
    signal(signal_number, SIG_IGN);
  }
  char byte;
  while (true) {
    const ssize_t n = read(owner_pipe, &byte, 1);
    if (n == 0 || (n < 0 && errno != EINTR)) break;
  }
  if (fs::exists(path)) CleanUp(path);
}

std::vector<pid_t> ProcessesInNamespace(const std::string& name) {
  std::vector<pid_t> pids;
  struct stat handle;
  if (stat(("/run/netns/" + name).c_str(), &handle) != 0) return pids;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string pid_text = entry.path().filename();
    if (pid_text.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    struct stat own;
    if (stat((entry.path() / "ns/net").c_str(), &own) != 0) continue;
    if (own.st_ino == handle.st_ino && own.st_dev == handle.st_dev) {
      pids.push_back(std::stoi(pid_text));
    }
  }
  return pids;
}

}  // namespace ft::bed
