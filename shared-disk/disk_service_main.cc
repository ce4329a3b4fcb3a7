// SPDX-License-Identifier: GPL-2.0-or-later
//
// ft-disk-service: the disk service of a storage host. Reads its
// configuration, refuses what cannot work in one line, and becomes nbdkit
// with the plugin.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "logchannel/scoped_fd.h"
#include "shared-disk/epoch_store.h"
#include "shared-disk/service_config.h"

namespace ft::shared_disk {
namespace {

constexpr int kExitRefused = 2;

int Refuse(const Status& status) {
  fmt::print(stderr, "ft-disk-service: {}\n", status.ToString());
  return kExitRefused;
}

struct Arguments {
  std::string config = "/etc/lockstep/disk-service.toml";
  bool check = false;
  bool create_store = false;
  bool records = false;
  std::string free_vm;
  uint64_t epoch = 0;
};

// The socket of a service that was killed is in the way of the next.
Status RemoveStaleSocket(const std::string& path) {
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) return Status::Ok();
  if (!S_ISSOCK(info.st_mode)) {
    return Status::Invalid(path + " is there and is no socket",
                           "choose another path for listen");
  }
  const ScopedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), path);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0) {
    return Status::Invalid("somebody listens at " + path,
                           "one disk service at a time; end the other one");
  }
  unlink(path.c_str());
  return Status::Ok();
}

int CreateStore(const ServiceConfig& config) {
  const Status status = EpochStore::Create(config.service.state_dir);
  if (!status.ok()) return Refuse(status);
  fmt::print("made an empty store of epochs in {}\n", config.service.state_dir);
  return 0;
}

int PrintRecords(const ServiceConfig& config) {
  auto store = EpochStore::Open(config.service.state_dir);
  if (!store.ok()) return Refuse(store.status());
  auto rights = (*store)->Load();
  if (!rights.ok()) return Refuse(rights.status());
  for (const auto& [vm, right] : *rights) {
    if (!right.ok()) {
      fmt::print("{}: {}\n", vm, right.status().ToString());
      continue;
    }
    fmt::print("{}: {}, written by engines of epoch {} and later\n", vm,
               Describe(right.value().record), right.value().oldest_writer);
  }
  return 0;
}

// The operator knows that the VM is stopped everywhere, and an epoch that is
// greater than any that a host ever had.
int FreeVm(const ServiceConfig& config, const Arguments& arguments) {
  auto store = EpochStore::Open(config.service.state_dir);
  if (!store.ok()) return Refuse(store.status());
  auto rights = (*store)->Load();
  if (!rights.ok()) return Refuse(rights.status());
  const auto found = rights->find(arguments.free_vm);
  if (found != rights->end() && found->second.ok()) {
    return Refuse(Status::Invalid(
        arguments.free_vm +
            " has a record: " + Describe(found->second.value().record),
        "ftctl stop frees it; --free is for a record that is damaged or lost"));
  }
  const Record freed{arguments.free_vm, arguments.epoch, ""};
  const Status status = (*store)->Save({freed, arguments.epoch});
  if (!status.ok()) return Refuse(status);
  fmt::print("{}: {}\n", freed.vm, Describe(freed));
  return 0;
}

int Serve(ServiceConfig& config, const std::string& program) {
  if (config.plugin.empty()) {
    std::error_code ignored;
    config.plugin = std::filesystem::read_symlink(program, ignored)
                        .replace_filename("lockstep_disk_plugin.so");
  }
  for (const std::string& file : {config.nbdkit, config.plugin}) {
    if (access(file.c_str(), R_OK) == 0) continue;
    return Refuse(Status::Unavailable(
        file + " cannot be read: " + std::strerror(errno),
        "install nbdkit and Lockstep's plugin, or say where they are"));
  }
  if (config.listen.starts_with('/')) {
    Status status = RemoveStaleSocket(config.listen);
    if (!status.ok()) return Refuse(status);
  }
  const std::vector<std::string> words = NbdkitCommand(config);
  std::vector<char*> argv;
  for (const std::string& word : words) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  return Refuse(Status::Unavailable(
      config.nbdkit + " cannot be run: " + std::strerror(errno),
      "install nbdkit"));
}

void AddOptions(CLI::App& app, Arguments* arguments) {
  app.add_option("--config", arguments->config, "config file (TOML)")
      ->capture_default_str();
  app.add_flag("--check", arguments->check, "check the config file and exit");
  app.add_flag("--create-store", arguments->create_store,
               "make the store of a new service, in state_dir, and exit");
  app.add_flag("--records", arguments->records,
               "print the records of a service that is stopped");
  auto* free = app.add_option("--free", arguments->free_vm,
                              "give a VM whose record is damaged a new one");
  auto* epoch = app.add_option("--epoch", arguments->epoch,
                               "its epoch, greater than any that a host had")
                    ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 62));
  free->needs(epoch);
  epoch->needs(free);
  free->check([](const std::string& name) -> std::string {
    return IsName(name) ? "" : "no name of a VM";
  });
  app.set_version_flag("--version",
                       std::string("ft-disk-service ") + FT_VERSION);
}

int Main(int argc, char** argv) {
  CLI::App app("ft-disk-service: serves disks, and says who may write them",
               "ft-disk-service");
  Arguments arguments;
  AddOptions(app, &arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return Refuse(Status::Invalid(error.what(), "see ft-disk-service --help"));
  }
  auto config = LoadServiceConfig(arguments.config);
  if (!config.ok()) return Refuse(config.status());
  if (arguments.check) {
    fmt::print("{}: ok, {} disks at {}\n", arguments.config,
               config->service.disks.size(), config->listen);
    return 0;
  }
  if (arguments.create_store) return CreateStore(*config);
  if (arguments.records) return PrintRecords(*config);
  if (!arguments.free_vm.empty()) return FreeVm(*config, arguments);
  return Serve(*config, "/proc/self/exe");
}

}  // namespace
}  // namespace ft::shared_disk

int main(int argc, char** argv) { return ft::shared_disk::Main(argc, argv); }
