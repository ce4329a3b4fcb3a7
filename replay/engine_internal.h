// SPDX-License-Identifier: GPL-2.0-or-later
//
// Engine::State, for engine.cc and engine_start.cc only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "replay/engine.h"
#include "replay/one_shot.h"
#include "replay/qmp_client.h"

namespace ft::replay {

// Shared by the Engine, its exit watch and every call under way, so that a
// coroutine suspended in a call survives the Engine and ends with an error.
struct Engine::State : std::enable_shared_from_this<Engine::State> {
  State(boost::asio::any_io_executor executor, EngineOptions engine_options);

  // --- engine_start.cc
  // Waits until QMP answers and the ring is mapped, or says why not.
  Awaitable<Status> Reach(Milliseconds timeout);
  // kInvalid until the socket is there.
  Awaitable<Status> ConnectQmp(Milliseconds timeout);
  // What the early end of the process means, in one line.
  Status EarlyExit();

  // --- engine.cc
  // Routes QMP events here and starts to watch the process.
  void BeginWatching();
  Awaitable<void> WatchExit();
  void OnEvent(const std::string& name, const boost::json::object& data);
  // Once: ends every wait and tells the listeners.
  void ProcessEnded();
  void EndWaits(const Status& why);
  Awaitable<Result<boost::json::value>> Execute(std::string command,
                                                boost::json::object arguments);
  Awaitable<bool> WaitExit(Milliseconds timeout);
  template <typename Callback>
  void Tell(Callback callback);
  // "vm1" for messages.
  const std::string& name() const { return options.vm.name; }

  const boost::asio::any_io_executor executor;
  const EngineOptions options;
  std::unique_ptr<EngineProcess> process;
  std::unique_ptr<QmpClient> qmp;
  std::unique_ptr<logchannel::LogRing> ring;

  // A duplicate of the process's pidfd, for asio.
  std::optional<boost::asio::posix::stream_descriptor> exit_watch;
  bool ended = false;
  // The Engine object is gone: tell nobody.
  bool detached = false;
  // The guest said why it goes (event SHUTDOWN), if it did.
  std::string shutdown_reason;

  // Entries become null when their listener removed itself; the holes are
  // closed when nobody iterates.
  std::vector<EngineListener*> listeners;
  int telling = 0;

  // At most one clone and one go live are under way.
  std::shared_ptr<OneShot<Result<CloneResult>>> clone;
  // A replica got further since somebody looked.
  bool clone_moved = false;
  std::shared_ptr<OneShot<Result<LiveResult>>> live;
  std::vector<std::shared_ptr<OneShot<bool>>> exit_waits;
  // Set when everything that the engine said on QMP has been heard.
  std::shared_ptr<OneShot<bool>> qmp_heard;
};

}  // namespace ft::replay
