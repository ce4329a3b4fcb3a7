// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/engine.h"

#include <fcntl.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "logchannel/check.h"
#include "replay/engine_internal.h"

namespace ft::replay {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

// How long a cancelled clone may take to say so.
constexpr std::chrono::seconds kCloneCancelGrace(5);
// The end of a dead engine's QMP stream is read at once; this only bounds it.
constexpr std::chrono::milliseconds kLastWords(100);

std::string Field(const json::object& data, const char* name) {
  const json::value* value = data.if_contains(name);
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? std::string(text->begin(), text->end()) : std::string();
}

Status Discard(const Result<json::value>& answer) { return answer.status(); }

}  // namespace

// --- Engine::State

Engine::State::State(asio::any_io_executor on, EngineOptions engine_options)
    : executor(std::move(on)),
      options(std::move(engine_options)),
      qmp_heard(std::make_shared<OneShot<bool>>(executor)) {}

void Engine::State::BeginWatching() {
  std::weak_ptr<State> weak = shared_from_this();
  qmp->set_event_handler(
      [weak](const std::string& event, const json::object& data) {
        if (auto state = weak.lock()) state->OnEvent(event, data);
      });
  // A lost connection without an exit leaves an engine that nobody can
  // command; what was asked of it has failed.
  qmp->set_lost_handler([weak](const Status& why) {
    if (auto state = weak.lock()) {
      state->EndWaits(why);
      state->qmp_heard->Set(true);
    }
  });
  const int pidfd = fcntl(process->pidfd(), F_DUPFD_CLOEXEC, 0);
  FT_CHECK(pidfd >= 0) << "pidfd of engine " << process->pid();
  exit_watch.emplace(executor, pidfd);
  asio::co_spawn(
      executor, [state = shared_from_this()] { return state->WatchExit(); },
      asio::detached);
}

Engine::Awaitable<void> Engine::State::WatchExit() {
  auto self = shared_from_this();
  while (process->Running()) {
    boost::system::error_code error;
    co_await exit_watch->async_wait(
        asio::posix::stream_descriptor::wait_read,
        asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;  // the Engine was destroyed
  }
  // Its last words (SHUTDOWN) may still lie in the socket.
  co_await qmp_heard->Wait(kLastWords);
  if (!detached) ProcessEnded();
}

template <typename Callback>
void Engine::State::Tell(Callback callback) {
  if (detached) return;
  ++telling;
  for (size_t i = 0; i < listeners.size(); ++i) {
    if (listeners[i] != nullptr) callback(*listeners[i]);
  }
  if (--telling == 0) std::erase(listeners, nullptr);
}

void Engine::State::OnEvent(const std::string& event,
                            const json::object& data) {
  using Listener = EngineListener;
  if (event == "FT_CLONE") {
    if (clone) clone->Set(ParseCloneEvent(data));
  } else if (event == "FT_REPLICA") {
    auto progress = ParseReplicaEvent(data);
    if (!progress.ok()) return;
    clone_moved = true;
    Tell([&](Listener& l) { l.OnReplicaProgress(*progress); });
  } else if (event == "FT_LIVE") {
    if (live) live->Set(ParseLiveEvent(data));
  } else if (event == "FT_FOLLOW") {
    auto position = ParsePosition(data);
    if (position.ok()) Tell([&](Listener& l) { l.OnFollow(*position); });
  } else if (event == "FT_DIVERGENCE") {
    const Divergence divergence = ParseDivergence(data);
    if (live) {
      live->Set(Status::Failed(
          "divergence at " + std::to_string(divergence.position) +
          ": expected " + divergence.expected + ", got " + divergence.got));
    }
    Tell([&](Listener& l) { l.OnDivergence(divergence); });
  } else if (event == "FT_ORPHANED") {
    Tell([](Listener& l) { l.OnOrphaned(); });
  } else if (event == "STOP") {
    Tell([](Listener& l) { l.OnStopped(); });
  } else if (event == "RESUME") {
    Tell([](Listener& l) { l.OnResumed(); });
  } else if (event == "SHUTDOWN") {
    shutdown_reason = Field(data, "reason");
    Tell([&](Listener& l) { l.OnShutdown(shutdown_reason); });
  }
}

void Engine::State::EndWaits(const Status& why) {
  if (clone) clone->Set(why);
  if (live) live->Set(why);
}

void Engine::State::ProcessEnded() {
  if (ended) return;
  ended = true;
  qmp->Close();
  std::string why = "the engine " + process->exit_status()->Describe();
  if (!shutdown_reason.empty()) {
    why += " (" + shutdown_reason + ")";
  } else if (!process->exit_status()->signal) {
    const std::string line = process->LastErrorLine();
    if (!line.empty()) why += ": " + line;
  }
  EndWaits(Status::Unavailable(why));
  for (auto& wait : exit_waits) wait->Set(true);
  exit_waits.clear();
  Tell([&](EngineListener& listener) { listener.OnExit(why); });
}

Engine::Awaitable<Result<json::value>> Engine::State::Execute(
    std::string command, json::object arguments) {
  auto self = shared_from_this();
  co_return co_await qmp->Execute(std::move(command), std::move(arguments));
}

Engine::Awaitable<bool> Engine::State::WaitExit(Milliseconds timeout) {
  if (ended) co_return true;
  auto wait = std::make_shared<OneShot<bool>>(executor);
  exit_waits.push_back(wait);
  auto self = shared_from_this();
  const bool exited = (co_await wait->Wait(timeout)).value_or(false);
  std::erase(exit_waits, wait);
  co_return exited;
}

// --- Engine

Engine::Engine(std::shared_ptr<State> state) : state_(std::move(state)) {}

Engine::~Engine() {
  state_->detached = true;
  state_->listeners.clear();
  boost::system::error_code ignored;
  state_->exit_watch->close(ignored);
  state_->qmp->Close();
  state_->EndWaits(Status::Unavailable("the engine was let go"));
  for (auto& wait : state_->exit_waits) wait->Set(false);
}

void Engine::AddListener(EngineListener* listener) {
  state_->listeners.push_back(listener);
}

void Engine::RemoveListener(EngineListener* listener) {
  auto& listeners = state_->listeners;
  std::replace(listeners.begin(), listeners.end(), listener,
               static_cast<EngineListener*>(nullptr));
  if (state_->telling == 0) std::erase(listeners, nullptr);
}

const EngineOptions& Engine::options() const { return state_->options; }
EngineProcess& Engine::process() { return *state_->process; }
logchannel::LogRing& Engine::ring() { return *state_->ring; }
bool Engine::running() { return state_->process->Running(); }

Engine::Awaitable<Result<EngineState>> Engine::Query(Milliseconds timeout) {
  auto state = state_;
  auto answer =
      co_await state->qmp->Execute("x-ft-query", json::object(), timeout);
  if (!answer.ok()) co_return answer.status();
  co_return ParseEngineState(*answer);
}

Engine::Awaitable<Result<CloneResult>> Engine::Clone(std::string host,
                                                     uint16_t port,
                                                     Milliseconds timeout) {
  return Clone(std::move(host), port, timeout, CloneOptions());
}

Engine::Awaitable<Result<CloneResult>> Engine::Clone(std::string host,
                                                     uint16_t port,
                                                     Milliseconds timeout,
                                                     CloneOptions options) {
  return CloneWith("tcp:" + host + ":" + std::to_string(port), timeout,
                   std::move(options));
}

Engine::Awaitable<Result<CloneResult>> Engine::CloneTo(std::string uri,
                                                       Milliseconds timeout) {
  return CloneWith(std::move(uri), timeout, CloneOptions());
}

Engine::Awaitable<Result<CloneResult>> Engine::CloneWith(std::string uri,
                                                         Milliseconds timeout,
                                                         CloneOptions options) {
  auto state = state_;
  if (state->clone) {
    co_return Status::Invalid(state->name() + " is being cloned already");
  }
  auto clone = std::make_shared<OneShot<Result<CloneResult>>>(state->executor);
  state->clone = clone;
  json::object arguments;
  arguments["uri"] = uri;
  if (!options.replicas.empty()) arguments["replicas"] = options.replicas;
  if (options.replica_rate > 0) {
    arguments["replica-rate"] = options.replica_rate;
  }
  auto begun = co_await state->Execute("x-ft-clone", std::move(arguments));
  if (!begun.ok()) {
    state->clone.reset();
    co_return begun.status();
  }
  std::optional<Result<CloneResult>> result;
  do {
    state->clone_moved = false;
    result = co_await clone->Wait(timeout);
  } while (!result && state->clone_moved);
  if (!result) {
    (void)co_await state->Execute("migrate_cancel", json::object());
    result = co_await clone->Wait(kCloneCancelGrace);
  }
  state->clone.reset();
  if (result) co_return std::move(*result);
  co_return Status::Unavailable("the clone of " + state->name() +
                                " did not end within " +
                                std::to_string(timeout.count()) + " ms");
}

Engine::Awaitable<Status> Engine::CancelClone() {
  co_return Discard(co_await state_->Execute("migrate_cancel", json::object()));
}

Engine::Awaitable<Status> Engine::Load(std::string uri) {
  json::object arguments;
  arguments["uri"] = uri;
  co_return Discard(
      co_await state_->Execute("migrate-incoming", std::move(arguments)));
}

Engine::Awaitable<Result<uint64_t>> Engine::Protect() {
  auto answer = co_await state_->Execute("x-ft-protect", json::object());
  if (!answer.ok()) co_return answer.status();
  co_return ParsePosition(*answer);
}

Engine::Awaitable<Status> Engine::Unprotect() {
  co_return Discard(co_await state_->Execute("x-ft-unprotect", json::object()));
}

Engine::Awaitable<Status> Engine::Announce() {
  co_return Discard(co_await state_->Execute("x-ft-announce", json::object()));
}

Engine::Awaitable<Result<LiveResult>> Engine::GoLive(uint64_t position,
                                                     Milliseconds timeout) {
  auto state = state_;
  if (state->live) {
    co_return Status::Invalid(state->name() + " is going live already");
  }
  auto live = std::make_shared<OneShot<Result<LiveResult>>>(state->executor);
  state->live = live;
  json::object arguments;
  arguments["position"] = position;
  auto begun = co_await state->Execute("x-ft-go-live", std::move(arguments));
  std::optional<Result<LiveResult>> result;
  if (begun.ok()) result = co_await live->Wait(timeout);
  state->live.reset();
  if (!begun.ok()) co_return begun.status();
  if (result) co_return std::move(*result);
  co_return Status::Unavailable(state->name() + " did not go live within " +
                                std::to_string(timeout.count()) + " ms");
}

Engine::Awaitable<Result<MachineDigest>> Engine::Digest() {
  auto answer = co_await state_->Execute("x-ft-digest", json::object());
  if (!answer.ok()) co_return answer.status();
  co_return ParseDigest(*answer);
}

Engine::Awaitable<Result<std::string>> Engine::Registers(uint64_t icount) {
  json::object arguments;
  arguments["icount"] = icount;
  auto answer =
      co_await state_->Execute("x-ft-registers", std::move(arguments));
  if (!answer.ok()) co_return answer.status();
  const json::object* registers = answer->if_object();
  co_return registers ? Field(*registers, "text") : std::string();
}

Engine::Awaitable<Status> Engine::Stop() {
  co_return Discard(co_await state_->Execute("stop", json::object()));
}

Engine::Awaitable<Status> Engine::Cont() {
  co_return Discard(co_await state_->Execute("cont", json::object()));
}

Engine::Awaitable<Result<std::string>> Engine::Monitor(std::string line,
                                                       Milliseconds timeout) {
  auto state = state_;
  json::object arguments;
  arguments["command-line"] = line;
  auto answer = co_await state->qmp->Execute("human-monitor-command",
                                             std::move(arguments), timeout);
  if (!answer.ok()) co_return answer.status();
  const json::string* text = answer->if_string();
  co_return text ? std::string(text->begin(), text->end()) : std::string();
}

Engine::Awaitable<void> Engine::Quit(Milliseconds grace) {
  auto state = state_;
  (void)co_await state->qmp->Execute("quit", json::object(), grace);
  if (co_await state->WaitExit(grace)) co_return;
  state->process->Kill();
  // SIGKILL ends every process but one in uninterruptible sleep; then there
  // is nothing to be done but wait.
  while (!state->detached && !co_await state->WaitExit(grace)) {
  }
}

void Engine::Kill() { state_->process->Kill(); }

Engine::Awaitable<bool> Engine::WaitExit(Milliseconds timeout) {
  co_return co_await state_->WaitExit(timeout);
}

}  // namespace ft::replay
