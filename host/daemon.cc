// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/daemon.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <future>

#include "fencing/async_test_and_set.h"
#include "fencing/store_factory.h"
#include "host/condition.h"
#include "host/control_api.h"
#include "host/control_server.h"
#include "host/engine_launcher.h"
#include "host/event_log.h"
#include "host/host_context.h"
#include "host/log_listener.h"
#include "host/run_lock.h"
#include "host/state_store.h"
#include "host/uplink.h"
#include "host/vm_registry.h"
#include "logchannel/heartbeat_port.h"

namespace ft::host {
namespace asio = boost::asio;

namespace {

// A Bye and its answer have 3 s, a test-and-set 1 s; then ftd goes anyway and
// the next one decides by the record.
constexpr std::chrono::seconds kShutdownTimeout{8};

}  // namespace

struct Daemon::Impl {
  explicit Impl(Config c);

  Status Open();
  Status OpenRecords();
  asio::awaitable<void> Shutdown();

  const Config config;
  asio::io_context io{1};
  asio::thread_pool blocking{2};
  asio::thread_pool saver{1};
  asio::strand<asio::thread_pool::executor_type> save_strand;
  RunLock lock;
  StateStore store;
  EventLog events;
  EngineLauncher launcher;
  Uplink uplink;
  asio::signal_set signals;
  Condition stopped;
  bool stopping = false;
  // From Open() on.
  std::unique_ptr<fencing::AsyncTestAndSet> records;
  std::unique_ptr<logchannel::HeartbeatPort> heartbeats;
  std::unique_ptr<HostContext> context;
  std::unique_ptr<VmRegistry> registry;
  std::unique_ptr<LogListener> listener;
  std::unique_ptr<ControlApi> api;
  std::unique_ptr<ControlServer> control;
};

Daemon::Impl::Impl(Config c)
    : config(std::move(c)),
      save_strand(saver.get_executor()),
      store(config.state_dir),
      events(store.events_path()),
      launcher(config, store),
      uplink(config.uplink),
      signals(io),
      stopped(io.get_executor()) {}

Status Daemon::Impl::OpenRecords() {
  auto made = fencing::MakeStore(config.store);
  if (!made.ok()) return made.status();
  records = std::make_unique<fencing::AsyncTestAndSet>(
      *made, fencing::AsyncTestAndSet::kDeadline,
      fencing::Describe(config.store));
  return (*made)->Probe();
}

Status Daemon::Impl::Open() {
  Status status = CreateWritableDir(config.run_dir, "run_dir");
  if (status.ok()) status = lock.Take(config.lock_path());
  if (status.ok()) status = store.Open();
  if (status.ok()) {
    status = CreateWritableDir(config.ring_dir + "/" + config.host, "ring_dir");
  }
  if (status.ok()) status = OpenRecords();
  if (status.ok()) status = events.Open();
  if (!status.ok()) return status;
  auto port = logchannel::HeartbeatPort::Open(
      io, {.address = config.listen, .port = config.heartbeat_port});
  if (!port.ok()) return port.status();
  heartbeats = std::move(*port);
  context.reset(new HostContext{config, io, blocking, save_strand, store,
                                events, *records, *heartbeats, launcher,
                                [this] { return uplink.IsUp(); }});
  registry = std::make_unique<VmRegistry>(*context);
  listener = std::make_unique<LogListener>(*context, *registry);
  api = std::make_unique<ControlApi>(*context, *registry);
  control = std::make_unique<ControlServer>(
      io, config.socket_path(),
      [this](boost::json::object request, Vm::Progress progress) {
        return api->Handle(std::move(request), std::move(progress));
      });
  if (status = listener->Open(); !status.ok()) return status;
  return control->Open();
}

// Protection ends in an orderly way on both roles; the VMs run on.
asio::awaitable<void> Daemon::Impl::Shutdown() {
  auto deadline = std::chrono::steady_clock::now() + kShutdownTimeout;
  control->Close();
  listener->Close();
  listener->StopSessions("ftd stops");
  size_t left = 0;
  for (const std::shared_ptr<Vm>& vm : registry->All()) {
    ++left;
    asio::co_spawn(io, vm->LeaveRunning(), [this, &left](std::exception_ptr) {
      --left;
      stopped.NotifyAll();
    });
  }
  co_await stopped.Wait([&left] { return left == 0; }, deadline);
  while (listener->sessions() > 0 &&
         std::chrono::steady_clock::now() < deadline) {
    asio::steady_timer pause(io, std::chrono::milliseconds(20));
    co_await pause.async_wait(asio::use_awaitable);
  }
  io.stop();
}

Daemon::Daemon(Config config)
    : impl_(std::make_unique<Impl>(std::move(config))) {}

Daemon::~Daemon() = default;

Status Daemon::Open() { return impl_->Open(); }

void Daemon::Run() {
  Impl& ftd = *impl_;
  if (access(ftd.config.engine.c_str(), X_OK) != 0) {
    spdlog::warn("engine {} is missing: no VM can be started until it is there",
                 ftd.config.engine);
  }
  ftd.registry->Load();
  ftd.registry->RecoverAll();
  asio::co_spawn(ftd.io, ftd.listener->Serve(), asio::detached);
  asio::co_spawn(ftd.io, ftd.control->Serve(), asio::detached);
  ftd.signals.add(SIGTERM);
  ftd.signals.add(SIGINT);
  std::function<void(boost::system::error_code, int)> on_signal =
      [&ftd, &on_signal](boost::system::error_code error, int signal) {
        if (error) return;
        spdlog::info(
            "signal {}: {}", signal,
            ftd.stopping ? "leaving at once" : "ending protection, VMs run on");
        if (ftd.stopping) return ftd.io.stop();
        ftd.stopping = true;
        asio::co_spawn(ftd.io, ftd.Shutdown(), asio::detached);
        ftd.signals.async_wait(on_signal);
      };
  ftd.signals.async_wait(on_signal);
  spdlog::info("ftd {} on {}: log channel {}:{}, control {}", FT_VERSION,
               ftd.config.host, ftd.config.listen, ftd.config.log_port,
               ftd.config.socket_path());
  ftd.io.run();
  // Every state file that was on its way is on disk before we go.
  std::promise<void> saved;
  asio::post(ftd.save_strand, [&saved] { saved.set_value(); });
  saved.get_future().wait_for(std::chrono::seconds(2));
}

}  // namespace ft::host
