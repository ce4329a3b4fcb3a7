// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/qmp_client.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "replay/one_shot.h"

namespace ft::replay {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using asio::local::stream_protocol;
using boost::system::error_code;

// The largest answer we ask for is a few hundred bytes; QEMU's own longest
// (its schema) is 200 KiB.
constexpr size_t kLineBytesMax = 1 << 20;

using Answer = Result<json::value>;

std::string Field(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? std::string(text->begin(), text->end()) : std::string();
}

}  // namespace

// Shared by the client, its reader and the commands under way, so that each
// may end in any order.
struct QmpClient::State : std::enable_shared_from_this<State> {
  State(const asio::any_io_executor& executor, std::string socket_path)
      : socket(executor), path(std::move(socket_path)) {}

  stream_protocol::socket socket;
  const std::string path;
  std::string inbox;
  std::string outbox;  // what waits behind the write in flight
  bool writing = false;
  bool closed = false;
  int64_t next_id = 1;
  std::map<int64_t, std::shared_ptr<OneShot<Answer>>> commands;
  EventHandler on_event;
  LostHandler on_lost;

  asio::awaitable<Result<json::object>> ReadObject();
  asio::awaitable<Status> ReadGreeting();
  asio::awaitable<void> ReadLoop();
  void Send(const std::string& line);
  void Handle(const json::object& message);
  void Lose(const Status& why);
  void Shut(const Status& why);
};

asio::awaitable<Result<json::object>> QmpClient::State::ReadObject() {
  error_code error;
  const size_t size = co_await asio::async_read_until(
      socket, asio::dynamic_buffer(inbox, kLineBytesMax), '\n',
      asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    co_return Status::Unavailable("QMP connection " + path +
                                  " was lost: " + error.message());
  }
  json::value value = json::parse(json::string_view(inbox.data(), size), error);
  inbox.erase(0, size);
  if (error || !value.is_object()) {
    co_return Status::Unavailable("QMP connection " + path +
                                  " carries no JSON objects");
  }
  co_return std::move(value.as_object());
}

asio::awaitable<Status> QmpClient::State::ReadGreeting() {
  auto greeting = co_await ReadObject();
  if (!greeting.ok()) co_return greeting.status();
  if (!greeting->contains("QMP")) {
    co_return Status::Unavailable(path + " is no QMP socket");
  }
  co_return Status::Ok();
}

asio::awaitable<void> QmpClient::State::ReadLoop() {
  auto self = shared_from_this();
  while (!closed) {
    auto message = co_await ReadObject();
    if (!message.ok()) {
      Lose(message.status());
      co_return;
    }
    Handle(*message);
  }
}

void QmpClient::State::Handle(const json::object& message) {
  if (message.contains("event")) {
    const json::value* data = message.if_contains("data");
    const json::object* object = data ? data->if_object() : nullptr;
    // A copy: the handler may replace itself.
    if (EventHandler handler = on_event) {
      handler(Field(message, "event"), object ? *object : json::object());
    }
    return;
  }
  const json::value* id = message.if_contains("id");
  if (id == nullptr || !id->is_int64()) return;
  auto command = commands.find(id->get_int64());
  if (command == commands.end()) return;  // its caller gave up
  if (const json::value* value = message.if_contains("return")) {
    command->second->Set(*value);
    return;
  }
  const json::value* error = message.if_contains("error");
  const bool told = error != nullptr && error->is_object();
  command->second->Set(Status::Failed(told ? Field(error->get_object(), "desc")
                                           : "QMP error without a text"));
}

void QmpClient::State::Send(const std::string& line) {
  outbox += line;
  if (writing || closed) return;
  writing = true;
  auto chunk = std::make_shared<std::string>(std::move(outbox));
  outbox.clear();
  asio::async_write(
      socket, asio::buffer(*chunk),
      [self = shared_from_this(), chunk](error_code error, size_t) {
        self->writing = false;
        if (error || self->outbox.empty()) return;
        self->Send("");
      });
}

// The engine's doing.
void QmpClient::State::Lose(const Status& why) {
  if (closed) return;
  Shut(why);
  if (LostHandler handler = std::move(on_lost)) handler(why);
}

void QmpClient::State::Shut(const Status& why) {
  closed = true;
  error_code ignored;
  socket.close(ignored);
  for (auto& [id, command] : commands) command->Set(why);
}

QmpClient::QmpClient(std::shared_ptr<State> state) : state_(std::move(state)) {}

QmpClient::~QmpClient() { Close(); }

asio::awaitable<Result<std::unique_ptr<QmpClient>>> QmpClient::Connect(
    std::string path, std::chrono::milliseconds timeout) {
  const auto executor = co_await asio::this_coro::executor;
  auto state = std::make_shared<State>(executor, path);
  error_code error;
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    co_return Status::Invalid("socket path " + path + " is too long",
                              "use a shorter run_dir");
  }
  co_await state->socket.async_connect(
      stream_protocol::endpoint(path),
      asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    co_return Status::Unavailable("QMP socket " + path + ": " +
                                  error.message());
  }
  auto client = std::unique_ptr<QmpClient>(new QmpClient(state));
  asio::steady_timer deadline(executor, timeout);
  deadline.async_wait([state](error_code cancelled) {
    if (!cancelled) state->Shut(Status::Ok());
  });
  const auto begun = std::chrono::steady_clock::now();
  Status greeted = co_await state->ReadGreeting();
  deadline.cancel();
  if (!greeted.ok()) co_return greeted;
  asio::co_spawn(executor, state->ReadLoop(), asio::detached);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      begun + timeout - std::chrono::steady_clock::now());
  auto ready = co_await client->Execute("qmp_capabilities", {}, left);
  if (!ready.ok()) co_return ready.status();
  co_return client;
}

void QmpClient::set_event_handler(EventHandler handler) {
  state_->on_event = std::move(handler);
}

void QmpClient::set_lost_handler(LostHandler handler) {
  state_->on_lost = std::move(handler);
}

asio::awaitable<Result<json::value>> QmpClient::Execute(
    std::string command, json::object arguments,
    std::chrono::milliseconds timeout) {
  auto state = state_;  // the client may go while we wait
  if (state->closed) {
    co_return Status::Unavailable("QMP connection " + state->path +
                                  " is closed");
  }
  const int64_t id = state->next_id++;
  auto answer = std::make_shared<OneShot<Answer>>(state->socket.get_executor());
  state->commands.emplace(id, answer);
  json::object request = {{"execute", command}, {"id", id}};
  if (!arguments.empty()) request["arguments"] = std::move(arguments);
  state->Send(json::serialize(request) + "\n");
  auto result = co_await answer->Wait(timeout);
  state->commands.erase(id);
  if (result) co_return std::move(*result);
  co_return Status::Unavailable("QMP " + command + " was not answered within " +
                                std::to_string(timeout.count()) + " ms");
}

bool QmpClient::connected() const { return !state_->closed; }

void QmpClient::Close() {
  state_->on_event = nullptr;
  state_->on_lost = nullptr;
  if (!state_->closed) {
    state_->Shut(
        Status::Unavailable("QMP connection " + state_->path + " was closed"));
  }
}

}  // namespace ft::replay
