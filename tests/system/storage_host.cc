// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/storage_host.h"

#include <filesystem>
#include <fstream>

#include "fencing/etcd_client.h"
#include "tests/system/name_space.h"
#include "tests/system/testbed.h"

namespace ft::bed {
namespace fs = std::filesystem;

namespace {

constexpr milliseconds kReadyWithin{20000};

std::string ServiceAddress() { return std::string(kStorageAddress) + ":10809"; }

std::string EtcdUrl(int port) {
  return std::string("http://") + kStorageAddress + ":" + std::to_string(port);
}

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A member that takes connections may not have been elected yet.
bool EtcdDecides(const std::string& name_space) {
  const InNamespace inside(name_space);
  fencing::EtcdClient client(
      fencing::EtcdCluster{.endpoints = {EtcdUrl(2379)}});
  return client.Get("/", Clock::now() + milliseconds(500)).ok();
}

}  // namespace

StorageHost::StorageHost(const std::string& name_space,
                         const std::string& bed_dir)
    : name_space_(name_space), dir_(bed_dir + "/storage") {
  fs::create_directories(dir_);
}

void StorageHost::Start(const std::vector<std::string>& argv,
                        const std::string& log) {
  server_ = std::make_unique<ChildProcess>(
      ChildProcess::Options{.argv = Network::Inside(name_space_, argv),
                            .output_path = log,
                            .error_path = log});
}

void StorageHost::ThrowLastWords(const std::string& what,
                                 const std::string& log) const {
  constexpr size_t kTail = 600;
  const std::string said = Content(log);
  throw BedError(what + " is not ready: " +
                 said.substr(said.size() - std::min(said.size(), kTail)));
}

void StorageHost::StartDiskService(const std::string& disk,
                                   const std::string& vm) {
  const std::string config = dir_ + "/service.toml";
  const std::string store = state_dir();
  const std::string log = LogPath();
  std::ofstream(config) << "listen = \"" << ServiceAddress()
                        << "\"\nstate_dir = \"" << store << "\"\n[disks."
                        << disk << "]\npath = \"" << image(disk)
                        << "\"\nvm = \"" << vm << "\"\n";
  if (!fs::exists(store + "/CURRENT")) {
    RunOrThrow({DiskServicePath(), "--config", config, "--create-store"});
  }
  const size_t said = Content(log).size();
  Start({DiskServicePath(), "--config", config}, log);
  const auto ready = [&] {
    return Content(log).find("the disk service is ready", said) !=
           std::string::npos;
  };
  Eventually(kReadyWithin, [&] { return ready() || !server_->running(); });
  if (!ready()) ThrowLastWords("the disk service", log);
}

void StorageHost::StartEtcd() {
  const std::string log = dir_ + "/etcd.log";
  Start({"etcd", "--name=one", "--data-dir=" + dir_ + "/etcd",
         "--listen-client-urls=" + EtcdUrl(2379),
         "--advertise-client-urls=" + EtcdUrl(2379),
         "--listen-peer-urls=" + EtcdUrl(2380),
         "--initial-advertise-peer-urls=" + EtcdUrl(2380),
         "--initial-cluster=one=" + EtcdUrl(2380), "--heartbeat-interval=10",
         "--election-timeout=100", "--logger=zap", "--log-level=error"},
        log);
  bool decides = false;
  Eventually(kReadyWithin, [&] {
    decides = EtcdDecides(name_space_);
    return decides || !server_->running();
  });
  if (!decides) ThrowLastWords("etcd", log);
}

void StorageHost::Kill() {
  if (server_) server_->Kill();
}

void StorageHost::Signal(int signal) {
  if (server_) server_->Signal(signal);
}

std::string StorageHost::log() const { return Content(LogPath()); }

std::string StorageHost::DiskPath(const std::string& disk) {
  return "nbd://" + ServiceAddress() + "/" + disk;
}

std::string StorageHost::ServiceFencing() {
  return "[fencing]\nbackend = \"nbd\"\naddress = \"" + ServiceAddress() +
         "\"\n";
}

std::string StorageHost::EtcdFencing() {
  return "[fencing]\nbackend = \"etcd\"\nendpoints = [\"" + EtcdUrl(2379) +
         "\"]\n";
}

}  // namespace ft::bed
