// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/faulty_disk.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "logchannel/check.h"
#include "tests/replay/test_paths.h"

namespace ft::torture {
namespace {

// nbdkit writes its pid file when it listens.
void AwaitFile(const std::string& path) {
  for (int i = 0; i < 500 && !std::filesystem::exists(path); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FT_CHECK(std::filesystem::exists(path)) << path << ": no nbdkit listens";
}

}  // namespace

FaultyDisk::FaultyDisk(const std::string& image, Fault fault)
    : directory_(std::filesystem::temp_directory_path() /
                 ("lockstep-faulty." + std::string(6, 'X'))) {
  FT_CHECK(mkdtemp(directory_.data()) != nullptr) << directory_;
  const std::string port = std::to_string(replay::FreePort());
  path_ = "nbd://127.0.0.1:" + port + "/disk";
  std::vector<std::string> argv = {"/usr/bin/nbdkit",
                                   "--foreground",
                                   "--exit-with-parent",
                                   "--ipaddr=127.0.0.1",
                                   "--port=" + port,
                                   "--filter=error",
                                   "--filter=delay",
                                   "--pidfile=" + directory_ + "/pid",
                                   "file",
                                   image,
                                   "error-file=" + directory_ + "/fail"};
  switch (fault) {
    case Fault::kReadsFail:
      argv.push_back("error-pread-rate=100%");
      break;
    case Fault::kChangesFail:
      argv.push_back("error-pwrite-rate=100%");
      argv.push_back("error-zero-rate=100%");
      break;
    case Fault::kSlow:
      argv.push_back("delay-read=50ms");
      argv.push_back("delay-write=50ms");
      break;
  }
  auto nbdkit = replay::EngineProcess::Spawn(argv, directory_ + "/stderr");
  FT_CHECK(nbdkit.ok()) << nbdkit.status().ToString();
  nbdkit_ = std::move(*nbdkit);
  AwaitFile(directory_ + "/pid");
}

FaultyDisk::~FaultyDisk() {
  nbdkit_->Kill();
  nbdkit_->WaitForExit(-1);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void FaultyDisk::Fail(bool on) {
  const std::string path = directory_ + "/fail";
  if (on) {
    std::ofstream(path).flush();
  } else {
    std::filesystem::remove(path);
  }
}

}  // namespace ft::torture
