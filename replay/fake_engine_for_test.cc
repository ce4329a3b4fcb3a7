// SPDX-License-Identifier: GPL-2.0-or-later
//
// A program that looks like an engine from the outside: takes the command
// line of engine_command.h, makes the ring and the QMP socket, answers the
// x-ft commands. It runs no guest. What else it does is told by words of its
// -append:
//
//   fake.die          prints an error and ends before QMP, as a refused
//                     device makes the engine do
//   fake.mute         never makes the socket
//   fake.clone=WORD   a clone ends with this status
//   fake.endless      a clone goes on until it is cancelled
//
// One client at a time, blocking; ends with quit or a signal.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "logchannel/engine_ring_for_test.h"

namespace {

namespace json = boost::json;
using ft::logchannel::Direction;
using ft::logchannel::EngineRingForTest;

// The values of the options that matter here, by option.
std::map<std::string, std::string> ParseArguments(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; ++i) {
    if (argv[i][0] == '-') options[argv[i]] = argv[i + 1];
  }
  return options;
}

// "X" of "...KEY=X,..." or "...KEY=X ..."; empty if there is no KEY.
std::string ValueOf(const std::string& text, const std::string& key) {
  const size_t at = text.find(key + "=");
  if (at == std::string::npos) return "";
  const size_t begin = at + key.size() + 1;
  return text.substr(begin, text.find_first_of(", ", begin) - begin);
}

int Listen(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) !=
          0 ||
      listen(listener, 1) != 0) {
    std::perror("fake engine: socket");
    std::exit(1);
  }
  return listener;
}

class FakeEngine {
 public:
  FakeEngine(EngineRingForTest& ring, std::string words)
      : ring_(ring), words_(std::move(words)) {}

  // Until the client is gone; false after quit.
  bool Serve(int client) {
    client_ = client;
    Say({{"QMP", json::object()}});
    std::string inbox;
    char chunk[4096];
    ssize_t size;
    while ((size = read(client, chunk, sizeof chunk)) > 0) {
      inbox.append(chunk, static_cast<size_t>(size));
      size_t end;
      while ((end = inbox.find('\n')) != std::string::npos) {
        if (!Handle(json::parse(inbox.substr(0, end)).as_object())) {
          return false;
        }
        inbox.erase(0, end + 1);
      }
    }
    return true;
  }

 private:
  void Say(const json::object& message) {
    const std::string line = json::serialize(message) + "\r\n";
    if (write(client_, line.data(), line.size()) < 0) return;
  }
  void SayEvent(const char* name, json::object data = {}) {
    Say({{"event", name}, {"data", std::move(data)}});
  }

  bool Handle(const json::object& request) {
    const std::string command(request.at("execute").as_string());
    const json::value& id = request.at("id");
    if (command == "x-ft-go-live" && Position(request) > committed()) {
      Say({{"id", id},
           {"error", {{"class", "GenericError"}, {"desc", "too early"}}}});
      return true;
    }
    Say({{"return", Answer(command)}, {"id", id}});
    if (command == "quit") {
      SayEvent("SHUTDOWN", {{"guest", false}, {"reason", "host-qmp-quit"}});
      return false;
    }
    Follow(command, request);
    return true;
  }

  json::object Answer(const std::string& command) {
    if (command == "x-ft-query") return Query();
    if (command == "x-ft-protect") return {{"position", committed()}};
    if (command == "x-ft-digest") {
      return {{"icount", 1},
              {"position", committed()},
              {"ram", "aa"},
              {"cpu", "bb"},
              {"devices", ""}};
    }
    return {};
  }

  // The events that end what a command began.
  void Follow(const std::string& command, const json::object& request) {
    if (command == "x-ft-clone") {
      SayReplica(request.at("arguments").as_object());
      if (words_.find("fake.endless") == std::string::npos) {
        SayCloned(ValueOf(words_, "fake.clone"));
      }
    } else if (command == "migrate_cancel") {
      SayCloned("cancelled");
    } else if (command == "x-ft-go-live") {
      SayEvent("FT_LIVE", {{"position", Position(request)}, {"drain-us", 5}});
    } else if (command == "stop") {
      SayEvent("STOP");
    } else if (command == "cont") {
      SayEvent("RESUME");
    }
  }

  void SayCloned(const std::string& status) {
    SayEvent("FT_CLONE", {{"status", status.empty() ? "completed" : status},
                          {"error", "as told"},
                          {"position", committed()},
                          {"pause-us", 8000},
                          {"total-us", 280000}});
  }

  // Says what it was told: `replicas` for the node, `replica-rate` for sent.
  void SayReplica(const json::object& arguments) {
    const json::value* replicas = arguments.if_contains("replicas");
    const json::value* rate = arguments.if_contains("replica-rate");
    if (replicas == nullptr) return;
    SayEvent("FT_REPLICA", {{"node", *replicas},
                            {"done", 1},
                            {"total", 2},
                            {"sent", rate ? *rate : json::value(0)}});
  }

  static uint64_t Position(const json::object& request) {
    return request.at("arguments").at("position").to_number<uint64_t>();
  }
  uint64_t committed() { return ring_.shared()->committed; }

  json::object Query() {
    return {{"mode", "record"},
            {"log-mode", "discard"},
            {"holding", false},
            {"running", true},
            {"orphaned", false},
            {"diverged", false},
            {"committed", committed()},
            {"consumed", 0},
            {"acknowledged", 0},
            {"released", 0},
            {"icount", 0},
            {"held-outputs", 0},
            {"held-bytes", 0},
            {"outputs", 0},
            {"output-delay-us-p50", 0},
            {"output-delay-us-p99", 0},
            {"clone-pause-us", 0},
            {"clone-total-us", 0},
            {"engine-build", "test-build"}};
  }

  EngineRingForTest& ring_;
  const std::string words_;
  int client_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  auto options = ParseArguments(argc, argv);
  const std::string words = options["-append"];
  if (words.find("fake.die") != std::string::npos) {
    std::fputs(
        "warning: nothing\n"
        "qemu-system-x86_64: -device vhost: not supported\n",
        stderr);
    return 1;
  }
  EngineRingForTest::Options ring_options;
  ring_options.path = ValueOf(options["-icount"], "rrfile");
  auto ring = EngineRingForTest::Create(ring_options);
  if (words.find("fake.mute") != std::string::npos) pause();
  std::string socket_path = options["-qmp"].substr(std::strlen("unix:"));
  socket_path.erase(socket_path.find(','));
  const int listener = Listen(socket_path);
  FakeEngine engine(*ring, words);
  for (bool more = true; more;) {
    const int client = accept(listener, nullptr, nullptr);
    more = engine.Serve(client);
    close(client);
  }
  unlink(socket_path.c_str());
  return 0;
}
