// SPDX-License-Identifier: GPL-2.0-or-later
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "replay/engine_command.h"
#include "replay/engine_internal.h"

namespace ft::replay {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

// An engine binds its socket 20-60 ms after exec.
constexpr Milliseconds kConnectEvery(5);

// Both names end in a file beside others of ours; a directory that is not
// there is the usual mistake.
Status CheckPaths(const EngineOptions& options) {
  for (const std::string& path : {options.qmp_path, options.serial_path}) {
    if (path.size() < sizeof(sockaddr_un::sun_path)) continue;
    return Status::Invalid("socket path " + path + " is too long",
                           "use a shorter run_dir");
  }
  if (options.vm.serial_input && options.serial_path.empty()) {
    return Status::Invalid(options.vm.name +
                           " has serial input and no socket for it");
  }
  for (const std::string& path : {options.ring_path, options.qmp_path,
                                  options.console_log, options.stderr_log}) {
    const auto directory = std::filesystem::path(path).parent_path();
    if (access(directory.c_str(), W_OK) != 0) {
      return Status::Unavailable(
          "directory " + directory.string() + ": " + std::strerror(errno),
          "create it, writable for ftd");
    }
  }
  if (options.taps.size() != options.vm.nics.size()) {
    return Status::Invalid(
        options.vm.name + " has " + std::to_string(options.vm.nics.size()) +
        " NICs and " + std::to_string(options.taps.size()) + " taps");
  }
  return Status::Ok();
}

Status CheckReadable(const std::string& what, const std::string& path) {
  if (path.empty() || access(path.c_str(), R_OK) == 0) return Status::Ok();
  return Status::Invalid(what + " " + path + ": " + std::strerror(errno),
                         "check the path in the VM file");
}

Status Check(const EngineOptions& options) {
  if (auto status = CheckPaths(options); !status.ok()) return status;
  if (options.vm.kernel.empty()) {
    return Status::Invalid(options.vm.name + " has no kernel",
                           "name one in the VM file");
  }
  auto status = CheckReadable("kernel", options.vm.kernel);
  if (!status.ok()) return status;
  return CheckReadable("initrd", options.vm.initrd);
}

void RemoveRuntimeFiles(const EngineOptions& options) {
  unlink(options.qmp_path.c_str());
  if (!options.serial_path.empty()) unlink(options.serial_path.c_str());
  unlink(options.ring_path.c_str());
  for (const std::string& bell : logchannel::DoorbellPaths(options.ring_path)) {
    unlink(bell.c_str());
  }
}

Milliseconds Left(Clock::time_point deadline) {
  return std::chrono::duration_cast<Milliseconds>(deadline - Clock::now());
}

Engine::Awaitable<void> Sleep(Milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace

Status Engine::State::EarlyExit() {
  const std::string line = process->LastErrorLine();
  return Status::Unavailable(
      "the engine of " + name() + " did not start: " +
      (line.empty() ? "it " + process->exit_status()->Describe() : line));
}

Engine::Awaitable<Status> Engine::State::ConnectQmp(Milliseconds timeout) {
  if (access(options.qmp_path.c_str(), F_OK) != 0) {
    co_return Status::Unavailable("QMP socket " + options.qmp_path +
                                  " is not there");
  }
  auto connected = co_await QmpClient::Connect(options.qmp_path, timeout);
  if (!connected.ok()) co_return connected.status();
  qmp = std::move(*connected);
  co_return Status::Ok();
}

Engine::Awaitable<Status> Engine::State::Reach(Milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  Status connected = co_await ConnectQmp(Left(deadline));
  while (!connected.ok()) {
    if (!process->Running()) co_return EarlyExit();
    if (Clock::now() >= deadline) {
      co_return Status::Unavailable(
          "the engine of " + name() + " did not answer within " +
          std::to_string(timeout.count()) + " ms: " + connected.message());
    }
    co_await Sleep(kConnectEvery);
    connected = co_await ConnectQmp(Left(deadline));
  }
  auto attached = logchannel::LogRing::Attach(options.ring_path);
  if (!attached.ok()) co_return attached.status();
  ring = std::move(*attached);
  BeginWatching();
  co_return Status::Ok();
}

Engine::Awaitable<Result<std::unique_ptr<Engine>>> Engine::Start(
    EngineOptions options, Milliseconds timeout) {
  if (auto status = Check(options); !status.ok()) co_return status;
  RemoveRuntimeFiles(options);
  auto spawned =
      EngineProcess::Spawn(EngineCommand(options), options.stderr_log);
  if (!spawned.ok()) co_return spawned.status();
  auto state = std::make_shared<State>(co_await asio::this_coro::executor,
                                       std::move(options));
  state->process = std::move(*spawned);
  Status reached = co_await state->Reach(timeout);
  if (!reached.ok()) {
    state->process->Kill();
    while (state->process->Running()) co_await Sleep(kConnectEvery);
    RemoveRuntimeFiles(state->options);
    co_return reached;
  }
  co_return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

Engine::Awaitable<Result<std::unique_ptr<Engine>>> Engine::Attach(
    EngineOptions options, pid_t pid, Milliseconds timeout) {
  auto adopted = EngineProcess::Adopt(pid, options.binary, options.ring_path,
                                      options.stderr_log);
  if (!adopted.ok()) co_return adopted.status();
  auto state = std::make_shared<State>(co_await asio::this_coro::executor,
                                       std::move(options));
  state->process = std::move(*adopted);
  Status reached = co_await state->Reach(timeout);
  if (!reached.ok()) co_return reached;
  co_return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

void Engine::RemoveFiles() { RemoveRuntimeFiles(state_->options); }

}  // namespace ft::replay
