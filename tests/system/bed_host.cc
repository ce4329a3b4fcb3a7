// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/bed_host.h"

#include <signal.h>

#include <filesystem>
#include <fstream>

#include "tests/system/testbed.h"

namespace ft::bed {
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

std::string LastLines(const std::string& path) {
  std::ifstream file(path);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  constexpr size_t kTail = 600;
  return text.size() <= kTail ? text : text.substr(text.size() - kTail);
}

bool IsOf(const EngineFacts& engine, const std::string& vm) {
  return fs::path(engine.ring_path).filename().string().starts_with(vm + ".");
}

}  // namespace

Host::Host(Side side, const std::string& name_space, const std::string& bed_dir,
           const std::string& ring_dir)
    : side_(side),
      name_(side == Side::kA ? "hostA" : "hostB"),
      name_space_(name_space),
      bed_dir_(bed_dir),
      dir_(bed_dir + "/" + name_),
      ring_dir_(ring_dir) {
  for (const char* child : {"state", "run"}) {
    fs::create_directories(dir_ + "/" + child);
  }
  fs::create_directories(ring_dir_);
  options_.shared_dir = bed_dir_ + "/shared";
}

std::string Host::Config() const {
  const Side peer = side_ == Side::kA ? Side::kB : Side::kA;
  const std::string peer_name = peer == Side::kA ? "hostA" : "hostB";
  const std::string engine =
      options_.engine.empty() ? EnginePath() : options_.engine;
  const std::string store =
      options_.fencing.empty() ? "\nshared_dir = " + Quoted(options_.shared_dir)
                               : "";
  return "host = " + Quoted(name_) +                           //
         "\nstate_dir = " + Quoted(dir_ + "/state") +          //
         "\nrun_dir = " + Quoted(dir_ + "/run") +              //
         "\nring_dir = " + Quoted(ring_dir_) +                 //
         "\nengine = " + Quoted(engine) + store +              //
         "\nlisten = " + Quoted(Network::LogAddress(side_)) +  //
         "\nuplink = \"eth0\"\n\n[hosts." + peer_name +        //
         "]\naddress = " + Quoted(Network::LogAddress(peer)) + "\n\n" +
         options_.fencing;
}

void Host::LaunchFtd() {
  if (ftd_running()) throw BedError(name_ + ": its ftd runs already");
  std::ofstream(config_path()) << Config();
  std::vector<std::string> argv;
  if (options_.private_directory) {
    fs::create_directories(private_path());
    fs::create_directories(own_private_path());
    // `ip netns exec` has given it mounts of its own.
    argv = {"sh", "-c", "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"",
            own_private_path(), private_path()};
  }
  argv.push_back("env");
  argv.insert(argv.end(), options_.environment.begin(),
              options_.environment.end());
  argv.insert(argv.end(), {FtdPath(), "--config", config_path()});
  ftd_ = std::make_unique<ChildProcess>(
      ChildProcess::Options{.argv = Network::Inside(name_space_, argv),
                            .output_path = dir_ + "/ftd.out",
                            .error_path = dir_ + "/ftd.err"});
}

bool Host::AwaitFtd(std::string* why) {
  const bool answers = Eventually(milliseconds(15000), [&] {
    if (!ftd_->running()) return true;
    return fs::exists(socket_path()) && Ftctl({"status", "--json"}).ok();
  });
  if (answers && ftd_->running()) return true;
  *why = ftd_->running() ? name_ + ": ftd does not answer ftctl" : FtdEnd();
  return false;
}

std::string Host::FtdEnd() {
  return name_ + ": ftd ended with " +
         std::to_string(ftd_exit_code().value_or(-1)) + ": " +
         LastLines(dir_ + "/ftd.err");
}

void Host::StartFtd() {
  LaunchFtd();
  std::string why;
  if (!AwaitFtd(&why)) throw BedError(why);
}

FtctlResult Host::Ftctl(std::vector<std::string> arguments,
                        milliseconds timeout) const {
  std::vector<std::string> argv = {FtctlPath(), "--socket", socket_path()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  FtctlResult result{Run(argv, {.timeout = timeout}), {}};
  json::error_code error;
  json::value value = json::parse(result.out, error);
  if (!error) result.json = std::move(value);
  return result;
}

FtctlResult Host::FtctlOrThrow(std::vector<std::string> arguments,
                               milliseconds timeout) const {
  const std::string verb = arguments.front();
  FtctlResult result = Ftctl(std::move(arguments), timeout);
  if (result.ok()) return result;
  throw BedError(name_ + ": ftctl " + verb + " " +
                 (result.timed_out
                      ? "did not end in time"
                      : "ended with " + std::to_string(result.exit_code)) +
                 ": " + result.err);
}

json::value Host::Status(const std::string& vm) const {
  const FtctlResult result = Ftctl({"status", "--json"});
  if (!result.ok() || !result.json.is_object()) return nullptr;
  const json::value* vms = result.json.as_object().if_contains("vms");
  if (!vms || !vms->is_array()) return nullptr;
  for (const json::value& entry : vms->as_array()) {
    const json::object* object = entry.if_object();
    const json::value* name = object ? object->if_contains("name") : nullptr;
    if (name && name->is_string() && name->as_string() == vm) return entry;
  }
  return nullptr;
}

std::string Host::Field(const std::string& vm, const char* key) const {
  const json::value status = Status(vm);
  const json::object* object = status.if_object();
  const json::value* field = object ? object->if_contains(key) : nullptr;
  if (!field) return "";
  return field->is_string() ? std::string(field->as_string())
                            : json::serialize(*field);
}

std::string Host::Console(const std::string& vm) const {
  std::ifstream file(dir_ + "/state/vms/" + vm + "/console.log");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Host::GuestPanic(const std::string& vm) const {
  const std::string text = Console(vm);
  const size_t at = text.find("Kernel panic");
  return at == std::string::npos ? "" : text.substr(at);
}

std::vector<EngineFacts> Host::Engines() const {
  return FindEngines(name_space_, ring_dir_);
}

std::vector<EngineFacts> Host::WatchedEngines(milliseconds watch) const {
  return WatchEngines(name_space_, ring_dir_, watch);
}

void Host::SignalFtd(int signal) {
  if (ftd_) ftd_->Signal(signal);
}

void Host::SignalEngine(const std::string& vm, int signal) {
  for (const EngineFacts& engine : Engines()) {
    if (IsOf(engine, vm)) kill(engine.pid, signal);
  }
}

void Host::KillFtd() {
  if (ftd_) ftd_->Kill();
}

bool Host::KillEngine(const std::string& vm) {
  bool killed = false;
  for (const EngineFacts& engine : Engines()) {
    if (IsOf(engine, vm)) killed = kill(engine.pid, SIGKILL) == 0;
  }
  return killed;
}

void Host::KillBoth(const std::string& vm) {
  const std::vector<EngineFacts> engines = Engines();
  if (ftd_) ftd_->Signal(SIGKILL);
  for (const EngineFacts& engine : engines) {
    if (IsOf(engine, vm)) kill(engine.pid, SIGKILL);
  }
  KillFtd();
}

}  // namespace ft::bed
