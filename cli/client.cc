// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <cstring>
#include <optional>

#include "host/control_protocol.h"
#include "logchannel/scoped_fd.h"

namespace ft::cli {
namespace json = boost::json;
namespace {

Result<ScopedFd> Connect(const std::string& path) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) {
    return Status::Invalid(fmt::format("socket path {} is too long", path),
                           "name a shorter one with --socket");
  }
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  ScopedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), path);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)) ==
      0) {
    return fd;
  }
  if (errno == EACCES || errno == EPERM) {
    return Status::Unavailable(fmt::format("{} may not be opened by you", path),
                               "run ftctl as root or as the socket's group");
  }
  return Status::Unavailable(fmt::format("no ftd answers at {}", path),
                             "start it with ftd --config FILE");
}

Status SendAll(const ScopedFd& fd, const std::string& line) {
  size_t sent = 0;
  while (sent < line.size()) {
    ssize_t n =
        send(fd.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return Status::Unavailable(
          fmt::format("ftd at {} hung up: {}", fd.path(), std::strerror(errno)),
          "see its log");
    }
    sent += static_cast<size_t>(n);
  }
  return Status::Ok();
}

// Answers have no size limit: ftd is trusted, and events may be long.
class LineSource {
 public:
  explicit LineSource(const ScopedFd& fd) : fd_(fd) {}

  // Nothing at the end of the stream.
  std::optional<std::string> Next() {
    for (;;) {
      size_t end = buffer_.find('\n');
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return line;
      }
      char bytes[4096];
      ssize_t n = recv(fd_.get(), bytes, sizeof(bytes), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return std::nullopt;
      buffer_.append(bytes, static_cast<size_t>(n));
    }
  }

 private:
  const ScopedFd& fd_;
  std::string buffer_;
};

Status ToStatus(const json::object& error) {
  std::string message = host::TextOf(error, "message");
  std::string remedy = host::TextOf(error, "remedy");
  switch (host::CodeFromName(host::TextOf(error, "code"))) {
    case Code::kInvalid:
      return Status::Invalid(message, remedy);
    case Code::kUnavailable:
      return Status::Unavailable(message, remedy);
    default:
      return Status::Failed(message, remedy);
  }
}

const json::object* ObjectIn(const json::value& line, const char* key) {
  const json::object* object = line.if_object();
  const json::value* member = object ? object->if_contains(key) : nullptr;
  return member ? member->if_object() : nullptr;
}

}  // namespace

Result<json::object> Client::Call(const json::object& request,
                                  const Progress& progress) {
  auto fd = Connect(socket_path_);
  if (!fd.ok()) return fd.status();
  Status sent = SendAll(*fd, json::serialize(request) + "\n");
  if (!sent.ok()) return sent;
  LineSource lines(*fd);
  while (auto line = lines.Next()) {
    boost::system::error_code error;
    json::value answer = json::parse(*line, error);
    if (const json::object* result = ObjectIn(answer, "result")) return *result;
    if (const json::object* why = ObjectIn(answer, "error")) {
      return ToStatus(*why);
    }
    const json::object* other = answer.if_object();
    if (error || other == nullptr) break;
    if (progress) {
      progress(host::TextOf(*other, "progress"), host::TextOf(*other, "text"));
    }
  }
  return Status::Failed(
      fmt::format("ftd at {} ended before it answered", socket_path_),
      "see its log, then ftctl status");
}

}  // namespace ft::cli
