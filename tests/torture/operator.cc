// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/operator.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <random>
#include <string_view>
#include <utility>

namespace ft::torture {
namespace {

constexpr int kPauseMsMax = 40;
constexpr size_t kBurstMax = 64;  // four times a UART's FIFO

int Connect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return connect(fd, generic, sizeof address) == 0 ? fd : -1;
}

// Throws away what the other side says.
void Drain(int fd) {
  char answers[4096];
  while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0) continue;
}

// False when the engine is gone.
bool Say(int fd, std::string_view text) {
  while (!text.empty()) {
    Drain(fd);
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void Pause(std::mt19937_64& random) {
  poll(nullptr, 0, static_cast<int>(random() % kPauseMsMax));
}

std::string Move(const char* type, const char* axis, int64_t value) {
  return fmt::format(R"({{"type":"{}","data":{{"axis":"{}","value":{}}}}})",
                     type, axis, value);
}

std::string Press(const char* key, bool down) {
  return fmt::format(
      R"({{"type":"key","data":{{"down":{},"key":{{"type":"qcode",)"
      R"("data":"{}"}}}}}})",
      down, key);
}

std::string Click(const char* button, bool down) {
  return fmt::format(R"({{"type":"btn","data":{{"down":{},"button":"{}"}}}})",
                     down, button);
}

// Nothing that a kernel takes for an order: no Ctrl-Alt-Del, no SysRq.
std::string SomeEvents(std::mt19937_64& random) {
  static constexpr const char* kKeys[] = {
      "a", "q", "z", "1", "spc", "ret", "f1", "up", "esc", "tab", "x", "m"};
  static constexpr const char* kButtons[] = {"left", "right", "middle",
                                             "wheel-up", "wheel-down"};
  const char* key = kKeys[random() % std::size(kKeys)];
  const char* button = kButtons[random() % std::size(kButtons)];
  const auto step = [&] { return static_cast<int64_t>(random() % 41) - 20; };
  const auto place = [&] { return static_cast<int64_t>(random() % 32768); };
  switch (random() % 4) {
    case 0:
      return Press(key, true) + "," + Press(key, false);
    case 1:
      return Click(button, true) + "," + Click(button, false);
    case 2:
      return Move("rel", "x", step()) + "," + Move("rel", "y", step());
    default:
      return Move("abs", "x", place()) + "," + Move("abs", "y", place());
  }
}

bool Greet(int qmp) { return Say(qmp, "{\"execute\":\"qmp_capabilities\"}\n"); }

bool Send(int qmp, const std::string& events) {
  return Say(qmp, R"({"execute":"input-send-event","arguments":{"events":[)" +
                      events + "]}}\n");
}

void UseKeyboardAndMice(int qmp, std::mt19937_64& random) {
  bool there = Greet(qmp);
  while (there) {
    Pause(random);
    there = Send(qmp, SomeEvents(random));
  }
}

void ClickFast(int qmp) {
  bool there = Greet(qmp);
  while (there) {
    poll(nullptr, 0, 1);
    there = Send(qmp, Click("left", true) + "," + Click("left", false));
  }
}

std::string BytesToType(int kilobytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(static_cast<size_t>(kilobytes) * 1024, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() % 256);
  return bytes;
}

void TypeOnSerialPort(int port, std::string_view bytes,
                      std::mt19937_64& random) {
  bool there = true;
  while (there && !bytes.empty()) {
    Pause(random);
    const std::string_view burst = bytes.substr(0, random() % kBurstMax + 1);
    there = Say(port, burst);
    bytes.remove_prefix(burst.size());
  }
  // The line stays open, and what the guest writes is taken off it.
  while (there) {
    char answers[4096];
    there = recv(port, answers, sizeof answers, 0) > 0;
  }
}

std::string Fnv1a(std::string_view bytes) {
  uint64_t hash = 14695981039346656037u;
  for (char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211u;
  }
  return fmt::format("{:016x}", hash);
}

// Runs `hands` on a connection to `path`; none if there is nobody at `path`.
template <typename Work>
std::unique_ptr<replay::ForkedChild> Hire(const std::string& path,
                                          const Work& hands) {
  const int fd = Connect(path);
  if (fd < 0) return nullptr;
  auto child = std::make_unique<replay::ForkedChild>([&] { hands(fd); });
  close(fd);
  return child;
}

}  // namespace

Operator Operator::AtKeyboardAndMice(const std::string& qmp_path,
                                     uint64_t seed) {
  const auto hands = [&](int fd) {
    std::mt19937_64 random(seed);
    UseKeyboardAndMice(fd, random);
  };
  return {Hire(qmp_path, hands), ""};
}

Operator Operator::Clicking(const std::string& qmp_path) {
  return {Hire(qmp_path, ClickFast), ""};
}

Operator Operator::AtSerialPort(const std::string& path, int kilobytes,
                                uint64_t seed) {
  const std::string bytes = BytesToType(kilobytes, seed);
  const auto hands = [&](int fd) {
    std::mt19937_64 random(seed);
    TypeOnSerialPort(fd, bytes, random);
  };
  return {Hire(path, hands), Fnv1a(bytes)};
}

Operator::Operator(Child child, std::string typed)
    : child_(std::move(child)), typed_(std::move(typed)) {}

}  // namespace ft::torture
