// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/testbed.h"

#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace ft::bed {
namespace fs = std::filesystem;

namespace {

fs::path OwnDirectory() {
  return fs::read_symlink("/proc/self/exe").parent_path();
}

// The file that an environment variable names, else a default place.
std::string FileFrom(const char* variable, const fs::path& fallback,
                     const char* remedy) {
  const char* value = getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  const fs::path path = value && *value ? fs::path(value) : fallback;
  std::error_code error;
  if (fs::exists(path, error)) return path;
  throw BedError(path.string() + " does not exist; " + remedy + ", or set " +
                 variable);
}

// Where ./lockstep keeps what it has built outside the tree.
fs::path Cache(const char* relative) {
  const char* cache = getenv("LOCKSTEP_CACHE");  // NOLINT
  if (cache && *cache) return fs::path(cache) / relative;
  const char* home = getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
  return fs::path(home ? home : "/root") / ".cache/lockstep" / relative;
}

// Short, because interface and namespace names are.
std::string NewRunName() {
  static int beds = 0;
  return "ls" + std::to_string(getpid()) +
         (beds++ ? "x" + std::to_string(beds) : "");
}

}  // namespace

std::string EnginePath() {
  return FileFrom("LOCKSTEP_ENGINE",
                  Cache("engine/current/bin/qemu-system-x86_64"),
                  "build the engine with replay/qemu/build_engine.sh");
}

std::string FtdPath() {
  return FileFrom("LOCKSTEP_FTD", OwnDirectory() / "../../host/ftd",
                  "build the target ftd");
}

std::string FtctlPath() {
  return FileFrom("LOCKSTEP_FTCTL", OwnDirectory() / "../../cli/ftctl",
                  "build the target ftctl");
}

std::string DiskServicePath() {
  return FileFrom("LOCKSTEP_DISK_SERVICE",
                  OwnDirectory() / "../../shared-disk/ft-disk-service",
                  "build the target ft-disk-service");
}

std::string DebianImage() {
  return FileFrom("LOCKSTEP_DEBIAN", Cache("guest/debian/current/root.img"),
                  "make the image with tests/guest/build_debian.sh");
}

std::string GuestDirectory() {
  return FileFrom("LOCKSTEP_GUEST", Cache("guest/current"),
                  "build the guest with tests/guest/build_guest.sh");
}

std::string GuestCommandLine() {
  std::ifstream file(GuestDirectory() + "/cmdline");
  std::string line;
  std::getline(file, line);
  return line + " ft.ip=" + kGuestAddress + "/24";
}

std::string SiblingProgram(const std::string& name) {
  const fs::path own = OwnDirectory();
  for (const char* directory : {".", "../system", "../chaos"}) {
    const fs::path path = own / directory / name;
    if (fs::exists(path)) return path.lexically_normal();
  }
  throw BedError((own / name).string() + " is not built");
}

bool Eventually(milliseconds deadline, const std::function<bool()>& condition,
                milliseconds poll) {
  const Clock::time_point end = Clock::now() + deadline;
  while (!condition()) {
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(poll);
  }
  return true;
}

TestBed::TestBed() : run_(NewRunName()) {
  if (geteuid() != 0) throw BedError("the test bed needs root");
  for (const std::string& orphan : BedLedger::Orphans()) {
    BedLedger::CleanUp(orphan);
  }
  ledger_ = std::make_unique<BedLedger>(run_);
  try {
    dir_ = "/tmp/lockstep-bed/" + run_;
    ledger_->AddFiles(dir_);
    shared_dir_ = dir_ + "/shared";
    fs::create_directories(shared_dir_);
    network_ = std::make_unique<Network>(run_, *ledger_);
    for (Side side : {Side::kA, Side::kB}) {
      std::unique_ptr<Host>& host = side == Side::kA ? a_ : b_;
      const std::string rings = "/dev/shm/lockstep-" + run_ + "-" +
                                (side == Side::kA ? "hostA" : "hostB");
      ledger_->AddVolatileDirectory(rings);
      host = std::make_unique<Host>(side, network_->HostNamespace(side), dir_,
                                    rings);
    }
    storage_ =
        std::make_unique<StorageHost>(network_->StorageNamespace(), dir_);
  } catch (...) {
    BedLedger::CleanUp(ledger_->path());
    throw;
  }
}

TestBed::~TestBed() {
  // The ftds first, so that they are reaped by their parent.
  a_.reset();
  b_.reset();
  storage_.reset();
  for (const std::string& trouble : BedLedger::CleanUp(ledger_->path())) {
    fprintf(stderr, "test bed %s: %s\n", run_.c_str(), trouble.c_str());
  }
}

void TestBed::StartHosts() {
  a_->StartFtd();
  b_->StartFtd();
}

std::string TestBed::WriteVmFile(const VmOptions& options) const {
  const std::string path = dir_ + "/" + options.name + ".toml";
  const std::string kernel =
      options.kernel.empty() ? GuestDirectory() + "/vmlinuz" : options.kernel;
  const std::string initrd =
      options.initrd.empty() ? GuestDirectory() + "/initrd.gz" : options.initrd;
  std::ofstream file(path);
  file << "name = \"" << options.name << "\"\n"
       << "memory_mib = " << options.memory_mib << "\n"
       << "vcpus = " << options.vcpus << "\n"
       << "kernel = \"" << kernel << "\"\n"
       << "initrd = \"" << initrd << "\"\n"
       << "cmdline = \"" << GuestCommandLine() << options.kernel_arguments
       << "\"\n"
       << options.extra_lines << "\n[[nic]]\n"
       << "mac = \"" << kGuestMac << "\"\n"
       << "bridge = \"br0\"\n"
       << "model = \"" << options.nic_model << "\"\n";
  for (const VmDisk& disk : options.disks) {
    file << "\n[[disk]]\npath = \"" << disk.path << "\"\nmode = \"" << disk.mode
         << "\"\n";
  }
  return path;
}

void TestBed::StartVm(Host& host, const VmOptions& options) {
  host.FtctlOrThrow({"define", WriteVmFile(options)});
  host.FtctlOrThrow({"start", options.name});
  if (!WaitForRedis(milliseconds(40000), kGuestAddress)) {
    throw BedError("the guest's Redis does not answer at " +
                   std::string(kGuestAddress) + "; its console: " + host.dir() +
                   "/state/vms/" + options.name + "/console.log");
  }
}

bool TestBed::WaitForRedis(milliseconds deadline,
                           const std::string& address) const {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(deadline).count();
  return Run(Network::Inside(network_->ClientNamespace(),
                             {SiblingProgram("redis_writer"), "--host", address,
                              "--wait-only", std::to_string(seconds)}),
             {.timeout = deadline + milliseconds(2000)})
      .ok();
}

std::unique_ptr<WriterProcess> TestBed::StartWriter(
    const WriterOptions& options) {
  return std::make_unique<WriterProcess>(network_->ClientNamespace(), options,
                                         dir_ + "/writer.err");
}

WriterReport TestBed::ReadAgain(uint64_t writes) const {
  return ReportFromJson(
      RunOrThrow(Network::Inside(network_->ClientNamespace(),
                                 {SiblingProgram("redis_writer"),
                                  "--read-again", std::to_string(writes)}),
                 {.timeout = milliseconds(60000)}));
}

void TestBed::Isolate(Side side) {
  network_->Cut(side, Cable::kUplink);
  network_->Cut(side, Cable::kLog);
  network_->Cut(side, Cable::kSan);
}

int TestBed::LiveSides(milliseconds watch) {
  int live = 0;
  for (Host* host : {a_.get(), b_.get()}) {
    for (const EngineFacts& engine : host->WatchedEngines(watch)) {
      live += engine.live ? 1 : 0;
    }
  }
  return live;
}

int TestBed::Engines() {
  return static_cast<int>(a_->Engines().size() + b_->Engines().size());
}

std::string TestBed::MakeReadOnlyDirectory(const std::string& name) {
  const std::string path = dir_ + "/" + name;
  fs::create_directories(path);
  ledger_->AddMount(path);
  if (mount("none", path.c_str(), "tmpfs", MS_RDONLY, nullptr) != 0) {
    throw BedError("mount " + path + ": " + strerror(errno));
  }
  return path;
}

void TestBed::KeepArtifacts() {
  ledger_->KeepFiles();
  fprintf(stderr, "test bed: its files are kept in %s\n", dir_.c_str());
}

}  // namespace ft::bed
