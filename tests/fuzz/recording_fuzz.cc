// SPDX-License-Identifier: GPL-2.0-or-later
//
// A recording's command.json and marks, which travel from host to host. The
// input is both, with a NUL between them.
//
// Promised: what is no recording is refused in one line that names the file;
// what is accepted is the same when it is written and opened again.
#include "replay/recording.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "logchannel/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::replay {
namespace {

// Made once, on tmpfs.
class Directory {
 public:
  Directory() : path_("/dev/shm/lockstep-fuzz." + std::string(6, 'X')) {
    FT_CHECK(mkdtemp(path_.data()) != nullptr) << path_;
    Write("snapshot", "");
    Write("log.ftlog", "");
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  void Write(const char* name, std::string_view text) const {
    std::ofstream file(path_ + "/" + name, std::ios::binary);
    FT_CHECK(file.write(text.data(), static_cast<std::streamsize>(text.size())))
        << name;
  }

 private:
  std::string path_;
};

void WriteAgain(const Recording& recording, const Directory& directory) {
  Recording copy(directory.path(), recording.engine(), recording.share_dir(),
                 recording.vm());
  FT_CHECK(copy.WriteCommand().ok());
  for (const MachineDigest& mark : recording.marks()) {
    FT_CHECK(copy.AddMark(mark).ok());
  }
}

}  // namespace

FT_FUZZ_TARGET(recording, input) {
  static const Directory directory;
  const std::string_view text = fuzz::AsText(input);
  const size_t end = std::min(text.find('\0'), text.size());
  directory.Write("command.json", text.substr(0, end));
  directory.Write("marks", text.substr(std::min(end + 1, text.size())));
  const auto recording = Recording::Open(directory.path());
  if (!recording.ok()) {
    fuzz::ExpectRefusal(recording.status());
    FT_CHECK(recording.status().message().starts_with(directory.path()));
    return;
  }
  WriteAgain(*recording, directory);
  const auto again = Recording::Open(directory.path());
  FT_CHECK(again.ok()) << again.status().message();
  FT_CHECK(again->vm() == recording->vm());
  FT_CHECK(again->engine() == recording->engine());
  FT_CHECK(again->share_dir() == recording->share_dir());
  FT_CHECK(again->marks() == recording->marks());
}

}  // namespace ft::replay
