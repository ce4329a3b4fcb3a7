// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/state_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/config.h"
#include "replay/whole_number.h"

namespace ft::host {
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

Status CannotWrite(const std::string& path, int error) {
  return Status::Invalid(
      fmt::format("cannot write {}: {}", path, std::strerror(error)),
      "check that its directory exists, has space and is writable for ftd");
}

// Writes and fsyncs; 0 or errno.
int WriteAndSync(int fd, const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    ssize_t n = write(fd, text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    written += static_cast<size_t>(n);
  }
  return fsync(fd) == 0 ? 0 : errno;
}

int SyncDirectory(const std::string& dir) {
  int fd = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error;
}

std::string Text(const json::object& o, const char* key) {
  const json::value* value = o.if_contains(key);
  if (value == nullptr || !value->is_string()) return "";
  return std::string(value->get_string());
}

template <typename Number>
Number Get(const json::object& o, const char* key) {
  const json::value* value = o.if_contains(key);
  return value == nullptr ? 0 : replay::WholeNumber<Number>(*value).value_or(0);
}

bool Flag(const json::object& o, const char* key) {
  const json::value* value = o.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::optional<std::string> ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

std::string FormatState(const SavedState& state) {
  const VmCondition& condition = state.condition;
  json::object o;
  o["role"] = Name(condition.role);
  o["state"] = Name(condition.state);
  o["reason"] = Name(condition.reason);
  o["epoch"] = condition.epoch;
  o["peer"] = condition.peer;
  o["why"] = condition.why;
  o["since_ms"] = condition.since_ms;
  o["engine_pid"] = state.engine_pid;
  o["holding"] = state.holding;
  o["owns_record"] = state.owns_record;
  o["live_epoch"] = state.disks.live_epoch;
  o["replica_of"] = state.disks.replica_of;
  return json::serialize(o) + "\n";
}

std::optional<SavedState> ParseState(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error);
  if (error || !value.is_object()) return std::nullopt;
  const json::object& o = value.get_object();
  SavedState state;
  state.condition.role = RoleFromName(Text(o, "role"));
  state.condition.state = StateFromName(Text(o, "state"));
  state.condition.reason = ReasonFromName(Text(o, "reason"));
  state.condition.epoch = Get<uint64_t>(o, "epoch");
  state.condition.peer = Text(o, "peer");
  state.condition.why = Text(o, "why");
  state.condition.since_ms = Get<int64_t>(o, "since_ms");
  state.engine_pid = Get<pid_t>(o, "engine_pid");
  state.holding = Flag(o, "holding");
  state.owns_record = Flag(o, "owns_record");
  state.disks.live_epoch = Get<uint64_t>(o, "live_epoch");
  state.disks.replica_of = Text(o, "replica_of");
  return state;
}

Status WriteFileAtomically(const std::string& path, const std::string& text) {
  std::string fresh = path + ".new";
  int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return CannotWrite(fresh, errno);
  int error = WriteAndSync(fd, text);
  close(fd);
  if (error == 0 && rename(fresh.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    unlink(fresh.c_str());
    return CannotWrite(path, error);
  }
  error = SyncDirectory(fs::path(path).parent_path());
  return error == 0 ? Status::Ok() : CannotWrite(path, error);
}

Status CreateWritableDir(const std::string& dir, const std::string& what) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (!error) return RequireWritableDir(dir, what);
  return Status::Invalid(
      fmt::format("{} {} cannot be made: {}", what, dir, error.message()),
      "create it, or correct the path in ftd's config");
}

Status RequireWritableDir(const std::string& dir, const std::string& what) {
  std::string probe = fmt::format("{}/.ftd-probe.{}", dir, getpid());
  int fd = open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Status::Invalid(
        fmt::format("{} {} is not writable: {}", what, dir,
                    std::strerror(errno)),
        "mount it read-write and give ftd's user the right to write");
  }
  close(fd);
  unlink(probe.c_str());
  return Status::Ok();
}

StateStore::StateStore(std::string state_dir)
    : state_dir_(std::move(state_dir)) {}

Status StateStore::Open() {
  Status status = CreateWritableDir(state_dir_, "state_dir");
  if (!status.ok()) return status;
  return CreateWritableDir(state_dir_ + "/vms", "state_dir");
}

std::string StateStore::VmDir(const std::string& vm) const {
  return state_dir_ + "/vms/" + vm;
}

std::string StateStore::DefinitionPath(const std::string& vm) const {
  return VmDir(vm) + "/vm.toml";
}

std::vector<std::string> StateStore::List() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(state_dir_ + "/vms", error)) {
    std::string name = entry.path().filename();
    if (IsValidName(name) && fs::exists(DefinitionPath(name), error)) {
      names.push_back(name);
    }
  }
  std::ranges::sort(names);
  return names;
}

Status StateStore::SaveDefinition(const std::string& vm,
                                  const std::string& toml) {
  std::error_code error;
  fs::create_directories(VmDir(vm), error);
  return WriteFileAtomically(DefinitionPath(vm), toml);
}

Status StateStore::SaveState(const std::string& vm, const SavedState& state) {
  std::error_code error;
  fs::create_directories(VmDir(vm), error);
  return WriteFileAtomically(VmDir(vm) + "/state.json", FormatState(state));
}

Result<std::string> StateStore::LoadDefinition(const std::string& vm) const {
  std::optional<std::string> text = ReadWhole(DefinitionPath(vm));
  if (!text) {
    return Status::Invalid(fmt::format("cannot read {}", DefinitionPath(vm)),
                           fmt::format("define {} again", vm));
  }
  return *std::move(text);
}

std::optional<SavedState> StateStore::LoadState(const std::string& vm) const {
  std::optional<std::string> text = ReadWhole(VmDir(vm) + "/state.json");
  return text ? ParseState(*text) : std::nullopt;
}

Status StateStore::Remove(const std::string& vm) {
  std::error_code error;
  fs::remove(DefinitionPath(vm), error);
  if (!error) fs::remove_all(VmDir(vm), error);
  if (!error) return Status::Ok();
  return Status::Failed(
      fmt::format("cannot remove {}: {}", VmDir(vm), error.message()),
      "remove the directory by hand");
}

}  // namespace ft::host
