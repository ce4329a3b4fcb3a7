// SPDX-License-Identifier: GPL-2.0-or-later
//
// The disk service as a plugin of nbdkit: NBD and its threads are nbdkit's,
// the rest is DiskService. ft-disk-service starts it; by hand:
//
//     nbdkit -f -U /run/disks.sock ./lockstep_disk_plugin.so
//         state=/var/lib/lockstep-disks disk=vm1-root:vm1:/srv/vm1.img
//
// Requests of one connection run at the same time (PARALLEL); the fence sets
// them in order where it matters.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "shared-disk/disk_service.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

namespace ft::shared_disk {
namespace {

// nbdkit has one plugin of a kind.
ServiceOptions options;
std::unique_ptr<DiskService> service;

Connection& Of(void* handle) { return *static_cast<Connection*>(handle); }

// nbdkit's answer to a request: 0, or -1 with the errno for the client.
int Answer(int error) {
  if (error == 0) return 0;
  nbdkit_set_error(error);
  return -1;
}

// "10.0.0.1:53122", "process 4711 on this host".
std::string ClientName() {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (nbdkit_peer_name(generic, &size) != 0) return "somebody";
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    auto* in = reinterpret_cast<sockaddr_in*>(&address);
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(in->sin_port));
  }
  if (address.ss_family == AF_INET6) {
    auto* in = reinterpret_cast<sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(in->sin6_port));
  }
  return fmt::format("process {} on this host", nbdkit_peer_pid());
}

int AddDisk(const std::string& value) {
  const size_t first = value.find(':');
  const size_t second =
      first == value.npos ? value.npos : value.find(':', first + 1);
  if (second == value.npos || second + 1 == value.size()) {
    nbdkit_error("disk=%s is not NAME:VM:PATH", value.c_str());
    return -1;
  }
  options.disks.push_back({.name = value.substr(0, first),
                           .vm = value.substr(first + 1, second - first - 1),
                           .path = value.substr(second + 1)});
  return 0;
}

int Config(const char* key, const char* value) {
  if (std::string_view(key) == "state") {
    options.state_dir = value;
    return 0;
  }
  if (std::string_view(key) == "disk") return AddDisk(value);
  nbdkit_error("unknown key %s: only state and disk are known", key);
  return -1;
}

int ConfigComplete() {
  const Status status = Validate(options);
  if (status.ok()) return 0;
  nbdkit_error("%s", status.ToString().c_str());
  return -1;
}

// Lines on stderr, in the same form as ftd's.
void SetUpLog() {
  auto logger = std::make_shared<spdlog::logger>(
      "disk-service", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(logger);
}

// After the fork, because RocksDB has threads.
int AfterFork() {
  SetUpLog();
  auto opened = DiskService::Open(options);
  if (!opened.ok()) {
    nbdkit_error("%s", opened.status().ToString().c_str());
    return -1;
  }
  service = std::move(opened).value();
  spdlog::info("the disk service is ready");
  return 0;
}

void Cleanup() {
  service.reset();
  spdlog::info("the disk service ends");
}

void* Open(int) {
  auto connection = service->Connect(nbdkit_export_name(), ClientName());
  // The service has logged why not, and NBD cannot tell the client.
  return connection.ok() ? std::move(connection).value().release() : nullptr;
}

void Close(void* handle) { delete &Of(handle); }

int64_t GetSize(void* handle) {
  return static_cast<int64_t>(Of(handle).size());
}

int CanWrite(void* handle) { return Of(handle).writable(); }

int CanFlush(void*) { return 1; }

int CanTrim(void* handle) { return Of(handle).can_trim(); }

int CanZero(void* handle) { return Of(handle).is_disk(); }

int CanFua(void*) { return NBDKIT_FUA_NATIVE; }

// All connections go through one page cache, so a flush is for all of them.
int CanMultiConn(void*) { return 1; }

int Read(void* handle, void* data, uint32_t bytes, uint64_t offset, uint32_t) {
  return Answer(Of(handle).Read(data, bytes, offset));
}

int Write(void* handle, const void* data, uint32_t bytes, uint64_t offset,
          uint32_t flags) {
  return Answer(Of(handle).Write(data, bytes, offset, flags & NBDKIT_FLAG_FUA));
}

// EOPNOTSUPP makes nbdkit write zeros instead.
int Zero(void* handle, uint32_t bytes, uint64_t offset, uint32_t flags) {
  return Answer(Of(handle).WriteZeroes(
      bytes, offset, flags & NBDKIT_FLAG_MAY_TRIM, flags & NBDKIT_FLAG_FUA));
}

int Trim(void* handle, uint32_t bytes, uint64_t offset, uint32_t flags) {
  return Answer(Of(handle).Trim(bytes, offset, flags & NBDKIT_FLAG_FUA));
}

int Flush(void* handle, uint32_t) { return Answer(Of(handle).Flush()); }

nbdkit_plugin MakePlugin() {
  nbdkit_plugin plugin = {};
  plugin.name = "lockstep";
  plugin.longname = "Lockstep's disk service";
  plugin.version = FT_VERSION;
  plugin.config = Config;
  plugin.config_complete = ConfigComplete;
  plugin.config_help =
      "state=DIR           the store of epochs\n"
      "disk=NAME:VM:PATH   a raw image or block device, and whose it is";
  plugin.after_fork = AfterFork;
  plugin.cleanup = Cleanup;
  plugin.open = Open;
  plugin.close = Close;
  plugin.get_size = GetSize;
  plugin.can_write = CanWrite;
  plugin.can_flush = CanFlush;
  plugin.can_trim = CanTrim;
  plugin.can_zero = CanZero;
  plugin.can_fua = CanFua;
  plugin.can_multi_conn = CanMultiConn;
  plugin.pread = Read;
  plugin.pwrite = Write;
  plugin.zero = Zero;
  plugin.trim = Trim;
  plugin.flush = Flush;
  return plugin;
}

nbdkit_plugin plugin = MakePlugin();

}  // namespace
}  // namespace ft::shared_disk

using ft::shared_disk::plugin;
NBDKIT_REGISTER_PLUGIN(plugin)
