// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <system_error>

#include "logchannel/check.h"
#include "tests/replay/network_bed.h"
#include "tests/torture/record.h"

namespace ft::torture {
namespace {

Outcome Run(const Trial& trial, const Worker::Performance& perform) {
  try {
    const replay::NetworkBed bed;
    if (bed.status().ok()) return perform(trial);
    return {.failure = bed.status().ToString()};
  } catch (const std::exception& error) {
    return {.failure = error.what()};
  }
}

void RunAndTell(const Trial& trial, const Worker::Performance& perform,
                int pipe) {
  const std::string text = boost::json::serialize(ToJson(Run(trial, perform)));
  for (size_t at = 0; at < text.size();) {
    const ssize_t written = write(pipe, text.data() + at, text.size() - at);
    if (written <= 0) _exit(1);
    at += static_cast<size_t>(written);
  }
}

std::string ReadAll(int pipe) {
  std::string text;
  char bytes[4096];
  for (ssize_t size; (size = read(pipe, bytes, sizeof bytes)) != 0;) {
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) break;
    text.append(bytes, static_cast<size_t>(size));
  }
  return text;
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) {
    return "signal " + std::to_string(WTERMSIG(status));
  }
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Worker::Worker(const Trial& trial, const Performance& perform) : trial_(trial) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  outcome_ = ScopedFd(ends[0]);
  const ScopedFd write_end(ends[1]);
  child_.emplace([&] { RunAndTell(trial_, perform, write_end.get()); });
}

Outcome Worker::Await() {
  const std::string text = ReadAll(outcome_.get());
  const int status = child_->Await();
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  if (!error) {
    auto outcome = OutcomeFromJson(value);
    if (outcome.ok()) return std::move(*outcome);
  }
  return {.failure = "the process of this run ended with " +
                     HowItEnded(status) + " and without a word"};
}

size_t WaitForAny(const std::vector<std::unique_ptr<Worker>>& workers) {
  FT_CHECK(!workers.empty()) << "nobody to wait for";
  std::vector<pollfd> ends;
  for (const auto& worker : workers) {
    ends.push_back(
        {.fd = worker->outcome_.get(), .events = POLLIN, .revents = 0});
  }
  while (poll(ends.data(), ends.size(), -1) < 0 && errno == EINTR) {
  }
  for (size_t i = 0; i < ends.size(); ++i) {
    if (ends[i].revents != 0) return i;
  }
  return 0;
}

}  // namespace ft::torture
