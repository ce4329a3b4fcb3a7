// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/engine_launcher.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "host/vm_file.h"
#include "logchannel/log_ring.h"
#include "logchannel/scoped_fd.h"
#include "replay/tap.h"

namespace ft::host {
namespace fs = std::filesystem;

namespace {

// sizeof(sockaddr_un::sun_path) without its NUL.
constexpr size_t kSocketPathBytesMax = 107;

// A loaded host takes its time to answer a QMP greeting.
constexpr std::chrono::seconds kAttachTimeout{10};

bool CommandLineNames(pid_t pid, const std::string& path) {
  if (pid <= 0) return false;
  std::ifstream in(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  std::string words((std::istreambuf_iterator<char>(in)), {});
  return words.find(path) != std::string::npos;
}

// The file that `pid` was started from, also when a newer one took its place.
std::string BinaryOf(pid_t pid) {
  std::error_code ignored;
  std::string path =
      fs::read_symlink(fmt::format("/proc/{}/exe", pid), ignored);
  const std::string deleted = " (deleted)";
  if (path.ends_with(deleted)) path.resize(path.size() - deleted.size());
  return path;
}

bool CanBind(const std::string& address, uint16_t port) {
  ScopedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &name.sin_addr) != 1) return false;
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0;
}

}  // namespace

std::string EngineLauncher::RingPath(const std::string& vm) const {
  return fmt::format("{}/{}/{}.ring", config_.ring_dir, config_.host, vm);
}

replay::EngineOptions EngineLauncher::Options(
    const replay::VmDefinition& vm, std::optional<uint16_t> clone_port) const {
  replay::EngineOptions options;
  options.binary = config_.engine;
  options.share_dir = config_.engine_share;
  options.vm = vm;
  options.ring_path = RingPath(vm.name);
  options.qmp_path = fmt::format("{}/{}.qmp", config_.run_dir, vm.name);
  if (vm.serial_input) {
    options.serial_path = fmt::format("{}/{}.serial", config_.run_dir, vm.name);
  }
  options.console_log = store_.VmDir(vm.name) + "/console.log";
  options.stderr_log = store_.VmDir(vm.name) + "/engine.log";
  for (size_t i = 0; i < vm.nics.size(); ++i) {
    options.taps.push_back(replay::TapName(vm.name, i));
  }
  if (clone_port) {
    options.incoming = fmt::format("tcp:{}:{}", config_.listen, *clone_port);
  }
  return options;
}

Status EngineLauncher::Check(const replay::VmDefinition& vm) const {
  if (access(config_.engine.c_str(), X_OK) != 0) {
    return Status::Unavailable(
        fmt::format("engine {} is missing or not executable", config_.engine),
        "build it with ./lockstep build, or correct engine in ftd's config");
  }
  replay::EngineOptions options = Options(vm, std::nullopt);
  for (const std::string& path : {options.qmp_path, options.serial_path}) {
    if (path.size() <= kSocketPathBytesMax) continue;
    return Status::Invalid(
        fmt::format("{}: socket path {} is longer than {} bytes", vm.name, path,
                    kSocketPathBytesMax),
        "shorten run_dir in ftd's config or the VM's name");
  }
  if (Status status = CheckFiles(vm); !status.ok()) return status;
  for (const replay::Nic& nic : vm.nics) {
    Status status = replay::CheckBridge(nic.bridge);
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Status EngineLauncher::CreateTaps(const replay::VmDefinition& vm) {
  for (size_t i = 0; i < vm.nics.size(); ++i) {
    Status status =
        replay::CreateTap(replay::TapName(vm.name, i), vm.nics[i].bridge);
    if (!status.ok()) {
      DeleteTaps(vm);
      return status;
    }
  }
  return Status::Ok();
}

void EngineLauncher::DeleteTaps(const replay::VmDefinition& vm) {
  for (size_t i = 0; i < vm.nics.size(); ++i) {
    Status status = replay::DeleteTap(replay::TapName(vm.name, i));
    if (!status.ok()) spdlog::warn("{}: {}", vm.name, status.ToString());
  }
}

EngineLauncher::Awaitable<Result<EngineLauncher::EnginePtr>>
EngineLauncher::Launch(replay::VmDefinition vm, uint64_t epoch,
                       std::optional<uint16_t> clone_port) {
  if (Status status = Check(vm); !status.ok()) co_return status;
  replay::EngineOptions options = Options(vm, clone_port);
  options.writer = {.host = config_.host, .epoch = epoch};
  std::error_code error;
  fs::create_directories(fs::path(options.ring_path).parent_path(), error);
  fs::create_directories(store_.VmDir(vm.name), error);
  if (Status status = CreateTaps(vm); !status.ok()) co_return status;
  Result<EnginePtr> engine = co_await replay::Engine::Start(options);
  if (!engine.ok()) DeleteTaps(vm);
  co_return engine;
}

pid_t EngineLauncher::LivePid(const std::string& vm, pid_t saved) const {
  std::string ring_path = RingPath(vm);
  if (CommandLineNames(saved, ring_path)) return saved;
  auto ring = logchannel::LogRing::Attach(ring_path);
  if (!ring.ok()) return 0;
  pid_t pid = (*ring)->engine_pid();
  return CommandLineNames(pid, ring_path) ? pid : 0;
}

EngineLauncher::Awaitable<Result<EngineLauncher::EnginePtr>>
EngineLauncher::Attach(replay::VmDefinition vm, pid_t pid) {
  replay::EngineOptions options = Options(vm, std::nullopt);
  options.binary = BinaryOf(pid);
  co_return co_await replay::Engine::Attach(options, pid, kAttachTimeout);
}

void EngineLauncher::CleanUp(const replay::VmDefinition& vm,
                             replay::Engine& engine) {
  // One that SIGKILL has not ended yet keeps its ring: LivePid() finds it, and
  // nobody starts another beside it.
  if (!engine.running()) engine.RemoveFiles();
  DeleteTaps(vm);
}

void EngineLauncher::RemoveLeftovers(const replay::VmDefinition& vm) {
  replay::EngineOptions options = Options(vm, std::nullopt);
  std::error_code ignored;
  fs::remove(options.ring_path, ignored);
  for (const std::string& bell : logchannel::DoorbellPaths(options.ring_path)) {
    fs::remove(bell, ignored);
  }
  fs::remove(options.qmp_path, ignored);
  if (vm.serial_input) fs::remove(options.serial_path, ignored);
  DeleteTaps(vm);
}

void EngineLauncher::RemoveReplicaSums(const std::string& vm) const {
  std::error_code ignored;
  fs::remove_all(fmt::format("{}/{}.replicas", config_.run_dir, vm), ignored);
}

Result<uint16_t> EngineLauncher::TakeClonePort() {
  for (uint32_t port = config_.clone_port_first;
       port <= config_.clone_port_last; ++port) {
    uint16_t candidate = static_cast<uint16_t>(port);
    if (ports_in_use_.contains(candidate)) continue;
    if (!CanBind(config_.listen, candidate)) continue;
    ports_in_use_.insert(candidate);
    return candidate;
  }
  return Status::Unavailable(
      fmt::format("{}: no free port in clone_ports {}-{}", config_.host,
                  config_.clone_port_first, config_.clone_port_last),
      "widen clone_ports in its config, or wait for other clones");
}

}  // namespace ft::host
