// SPDX-License-Identifier: GPL-2.0-or-later
//
// An engine whose guest only counts. From the outside it is a whole one: the
// command line of engine_command.h, ring, QMP, clone, output rule and lease,
// replay, go live, the orphan rule. Its log is a sequence of numbers, every
// entry is an output as well, and every released output is appended to a file,
// one number a line: a pair has lost nothing if both files together hold every
// number, in order.
//
// Words (from -append, so both sides have them, or from -words, one side):
//   out=PATH     where released outputs go
//   build=NAME   the engine build
//   burst=N      entries per millisecond, default 2
//   size=N       extra payload bytes per entry
//   slow=N       replays at most N entries per millisecond
//   diverge=N    replaying, the number N is not what was expected
//   off=N        the guest powers itself off at N
//   copy=N       a clone with replicas takes N ms, in which it tells of them
//   silent=1     ... or does not
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "logchannel/check.h"
#include "logchannel/engine_ring_for_test.h"

namespace {

namespace json = boost::json;
using namespace ft::logchannel;
using Clock = std::chrono::steady_clock;

struct Output {
  LogPosition tag;
  uint64_t number;
};

// "X" of "...KEY=X,..." or "...KEY=X ..."; empty if there is no KEY.
std::string ValueOf(const std::string& text, const std::string& key) {
  const size_t at = text.find(key + "=");
  if (at == std::string::npos) return "";
  const size_t begin = at + key.size() + 1;
  return text.substr(begin, text.find_first_of(", ", begin) - begin);
}

uint64_t NumberOf(const std::string& text, const std::string& key,
                  uint64_t otherwise) {
  const std::string value = ValueOf(text, key);
  return value.empty() ? otherwise : std::stoull(value);
}

sockaddr_in Ipv4(const std::string& host, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  FT_CHECK(inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1) << host;
  return address;
}

template <typename Address>
int ListenOn(int family, const Address& address) {
  const int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  FT_CHECK(bind(listener, reinterpret_cast<const sockaddr*>(&address),
                sizeof address) == 0 &&
           listen(listener, 1) == 0)
      << std::strerror(errno);
  return listener;
}

int ListenOnPath(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return ListenOn(AF_UNIX, address);
}

// "tcp:HOST:PORT"
std::pair<std::string, uint16_t> ParseUri(const std::string& uri) {
  const size_t colon = uri.rfind(':');
  return {uri.substr(4, colon - 4),
          static_cast<uint16_t>(std::stoul(uri.substr(colon + 1)))};
}

class CountingEngine {
 public:
  CountingEngine(const std::string& ring_path, const std::string& words,
                 const std::string& qmp_path, const std::string& incoming)
      : burst_(NumberOf(words, "burst", 2)),
        size_(NumberOf(words, "size", 0)),
        slow_(NumberOf(words, "slow", 1000)),
        diverge_(NumberOf(words, "diverge", 0)),
        off_(NumberOf(words, "off", 0)),
        copy_(NumberOf(words, "copy", 0)),
        silent_(NumberOf(words, "silent", 0) != 0) {
    EngineRingForTest::Options options;
    options.path = ring_path;
    options.data_size = 1u << 20;
    options.position = 4096;
    const std::string build = ValueOf(words, "build");
    if (!build.empty()) options.engine_build = build;
    ring_ = EngineRingForTest::Create(options);
    ring_->set_log_mode(LogMode::kDiscard);
    if (!incoming.empty()) {
      const auto [host, port] = ParseUri(incoming);
      clone_listener_ = ListenOn(AF_INET, Ipv4(host, port));
    }
    const std::string out = ValueOf(words, "out");
    out_ = open(out.empty() ? "/dev/null" : out.c_str(),
                O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    qmp_listener_ = ListenOnPath(qmp_path);
    recording_ = incoming.empty();
    running_ = recording_;
  }

  void Run() {
    while (!ended_) {
      pollfd fds[3] = {{qmp_listener_, POLLIN, 0},
                       {qmp_, POLLIN, 0},
                       {clone_listener_, POLLIN, 0}};
      poll(fds, 3, 1);
      if (fds[0].revents) Greet(accept(qmp_listener_, nullptr, nullptr));
      if (qmp_ >= 0 && fds[1].revents) ReadCommands();
      if (clone_listener_ >= 0 && fds[2].revents) ReceiveClone();
      ObeyOrphanRule();
      if (clone_uri_) Copy();
      if (recording_) Record();
      if (replaying_) Replay();
    }
  }

 private:
  uint64_t Load(const uint64_t& word) const {
    return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
  }
  void Store(uint64_t& word, uint64_t value) {
    __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
  }
  ft_ring& shared() { return *ring_->shared(); }
  LogPosition committed() { return Load(shared().committed); }

  // --- The guest.

  void Record() {
    if (running_) {
      credit_ += burst_ * (1000 - (keeping_ ? Load(shared().pace) : 0));
    }
    for (; running_ && credit_ >= 1000; credit_ -= 1000) {
      std::vector<std::byte> payload(8 + size_ + next_ % 61);
      std::memcpy(payload.data(), &next_, 8);
      if (!ring_->Commit(payload)) {  // full: the vCPU waits
        credit_ = 0;
        break;
      }
      held_.push_back({committed(), next_});
      CountOn();
    }
    if (!keeping_) Store(shared().acknowledged, committed());
    const LogPosition free =
        holding_ ? Load(shared().acknowledged) : committed();
    while (!held_.empty() && held_.front().tag <= free &&
           (!holding_ || LeaseStands())) {
      Emit(held_.front().number);
      ring_->set_released(held_.front().tag);
      held_.pop_front();
    }
  }

  bool LeaseStands() {
    timespec now = {};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000 +
               static_cast<uint64_t>(now.tv_nsec) <
           Load(shared().lease_until);
  }

  void Replay() {
    for (uint64_t i = 0; replaying_ && i < slow_; ++i) {
      auto payload = ring_->Consume();
      if (!payload) break;
      uint64_t number = 0;
      std::memcpy(&number, payload->data(), 8);
      if (number != next_ || number == diverge_) {
        Say("FT_DIVERGENCE", {{"position", Load(shared().consumed)},
                              {"expected", std::to_string(number)},
                              {"got", std::to_string(next_)}});
        replaying_ = false;
        return;
      }
      held_.push_back({Load(shared().consumed), number});
      CountOn();
    }
    while (!held_.empty() && held_.front().tag <= Load(shared().peer_released))
      held_.pop_front();
    if (going_live_ && Load(shared().consumed) == committed()) Switch();
  }

  void Switch() {
    replaying_ = going_live_ = false;
    recording_ = running_ = true;
    Store(shared().acknowledged, committed());
    ring_->set_direction(Direction::kRecord);
    ring_->set_log_mode(LogMode::kDiscard);
    Say("FT_LIVE", {{"position", committed()}, {"drain-us", 5}});
  }

  void CountOn() {
    if (++next_ != off_) return;
    Say("SHUTDOWN", {{"guest", true}, {"reason", "guest-shutdown"}});
    ended_ = true;
    running_ = false;
  }

  void Emit(uint64_t number) {
    const std::string line = std::to_string(number) + "\n";
    FT_CHECK(write(out_, line.data(), line.size()) > 0) << number;
  }

  void ObeyOrphanRule() {
    const uint64_t beat = Load(shared().owner_beat);
    const auto now = Clock::now();
    if (beat != beat_ || !(holding_ || replaying_)) beaten_ = now;
    beat_ = beat;
    if (now - beaten_ < std::chrono::seconds(2)) return;
    if (replaying_) ended_ = true;
    if (running_) Say("FT_ORPHANED", {});
    running_ = false;
  }

  // --- The clone: position and next number, 16 bytes. Of a disk nothing is
  // copied: it is told of, as if half of it were not equal.

  void BeginClone(const json::object& arguments) {
    clone_uri_ = std::string(arguments.at("uri").as_string());
    const json::value* replicas = arguments.if_contains("replicas");
    copied_ = replicas == nullptr ? copy_ : 0;
    disk_ = 0;
    if (replicas == nullptr) return;
    const std::string sums = std::string(replicas->as_string()) + "/d0.sha256";
    const int fd = open(sums.c_str(), O_RDONLY | O_CLOEXEC);
    FT_CHECK(fd >= 0) << sums;
    disk_ = (static_cast<uint64_t>(lseek(fd, 0, SEEK_END)) / 32) << 20;
    close(fd);
  }

  // A millisecond of it.
  void Copy() {
    if (disk_ > 0 && !silent_) {
      const uint64_t done = copy_ == 0 ? disk_ : disk_ / copy_ * copied_;
      Say("FT_REPLICA", {{"node", "d0"},
                         {"done", copied_ >= copy_ ? disk_ : done},
                         {"total", disk_},
                         {"sent", done / 2}});
    }
    if (++copied_ <= copy_) return;
    const std::string uri = *clone_uri_;
    clone_uri_.reset();
    Say("FT_CLONE", SendClone(uri));
  }

  void CancelClone() {
    if (!clone_uri_) return;
    clone_uri_.reset();
    Say("FT_CLONE", {{"status", "failed"}, {"error", "cancelled"}});
  }

  json::object SendClone(const std::string& uri) {
    const auto [host, port] = ParseUri(uri);
    const int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Ipv4(host, port);
    const uint64_t state[2] = {committed(), next_};
    const bool sent = connect(peer, reinterpret_cast<const sockaddr*>(&address),
                              sizeof address) == 0 &&
                      write(peer, state, sizeof state) == sizeof state;
    close(peer);
    if (!sent) return {{"status", "failed"}, {"error", "cannot connect"}};
    keeping_ = true;
    ring_->set_log_mode(LogMode::kKeep);
    return {{"status", "completed"},
            {"position", state[0]},
            {"pause-us", 8000},
            {"total-us", 280000}};
  }

  void ReceiveClone() {
    const int peer = accept(clone_listener_, nullptr, nullptr);
    uint64_t state[2] = {};
    FT_CHECK(recv(peer, state, sizeof state, MSG_WAITALL) == sizeof state);
    close(peer);
    close(clone_listener_);
    clone_listener_ = -1;
    Store(shared().committed, state[0]);
    Store(shared().consumed, state[0]);
    Store(shared().acknowledged, state[0]);
    next_ = state[1];
    ring_->set_direction(Direction::kReplay);
    replaying_ = true;
    Say("FT_FOLLOW", {{"position", state[0]}});
  }

  // --- QMP.

  void Write(const json::object& message) {
    const std::string line = json::serialize(message) + "\r\n";
    if (qmp_ >= 0) (void)!write(qmp_, line.data(), line.size());
  }
  void Say(const char* event, json::object data) {
    Write({{"event", event}, {"data", std::move(data)}});
  }

  void Greet(int client) {
    if (qmp_ >= 0) close(qmp_);
    qmp_ = client;
    inbox_.clear();
    Write({{"QMP", json::object()}});
  }

  void ReadCommands() {
    char chunk[4096];
    const ssize_t size = read(qmp_, chunk, sizeof chunk);
    if (size <= 0) {
      close(qmp_);
      qmp_ = -1;
      return;
    }
    inbox_.append(chunk, static_cast<size_t>(size));
    for (size_t end; (end = inbox_.find('\n')) != std::string::npos;) {
      const auto request = json::parse(inbox_.substr(0, end)).as_object();
      inbox_.erase(0, end + 1);
      Answer(request, std::string(request.at("execute").as_string()));
    }
  }

  void Answer(const json::object& request, const std::string& command) {
    json::object answer;
    if (command == "x-ft-query") answer = Query();
    if (command == "x-ft-protect") {
      holding_ = true;
      ring_->set_holding(true);
      answer["position"] = committed();
    }
    if (command == "x-ft-unprotect") {
      holding_ = keeping_ = false;
      ring_->set_holding(false);
      ring_->set_log_mode(LogMode::kDiscard);
    }
    if (command == "x-ft-go-live") going_live_ = true;
    if (command == "quit") ended_ = true;
    if (command == "stop" || command == "cont") running_ = command == "cont";
    Write({{"return", answer}, {"id", request.at("id")}});
    if (command == "x-ft-clone") {
      BeginClone(request.at("arguments").as_object());
    }
    if (command == "migrate_cancel") CancelClone();
  }

  json::object Query() {
    json::object state;
    for (const char* name :
         {"committed", "consumed", "acknowledged", "released", "icount",
          "held-outputs", "held-bytes", "outputs", "output-delay-us-p50",
          "output-delay-us-p99", "clone-pause-us", "clone-total-us"}) {
      state[name] = 0;
    }
    state["mode"] = recording_ ? "record" : "replay";
    state["log-mode"] = keeping_ ? "keep" : "discard";
    state["holding"] = holding_;
    state["running"] = running_;
    state["orphaned"] = state["diverged"] = false;
    state["engine-build"] = shared().engine_build;
    return state;
  }

  const uint64_t burst_, size_, slow_, diverge_, off_, copy_;
  const bool silent_;
  std::optional<std::string> clone_uri_;  // a clone is under way
  uint64_t copied_ = 0;                   // milliseconds of it
  uint64_t disk_ = 0;                     // bytes of disk 0; 0: no replicas
  uint64_t credit_ = 0;  // thousandths of an entry that may be recorded now
  std::unique_ptr<EngineRingForTest> ring_;
  int out_ = -1, qmp_listener_ = -1, qmp_ = -1, clone_listener_ = -1;
  std::string inbox_;
  bool recording_ = false, replaying_ = false, going_live_ = false;
  bool running_ = false, keeping_ = false, holding_ = false, ended_ = false;
  uint64_t next_ = 1;
  // Recording: not yet released. Replaying: perhaps not yet released by the
  // primary.
  std::deque<Output> held_;
  uint64_t beat_ = 0;
  Clock::time_point beaten_ = Clock::now();
};

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; ++i) {
    if (argv[i][0] == '-') options[argv[i]] = argv[i + 1];
  }
  std::string qmp_path = options["-qmp"].substr(std::strlen("unix:"));
  qmp_path.erase(qmp_path.find(','));
  CountingEngine engine(ValueOf(options["-icount"], "rrfile"),
                        options["-words"] + " " + options["-append"], qmp_path,
                        options["-incoming"]);
  engine.Run();
  unlink(qmp_path.c_str());
  return 0;
}
