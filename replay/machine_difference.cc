// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/machine_difference.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ft::replay {
namespace {

constexpr size_t kPageBytes = 4096;
// More would not be read.
constexpr size_t kPagesMax = 8;
constexpr size_t kLinesMax = 12;
// Behind it a pc has devices, and then the rest of its RAM.
constexpr uint64_t kLowMemoryBytes = 3ull << 30;

std::string PageText(uint64_t page, size_t bytes, size_t at, char expected,
                     char got) {
  std::array<char, 128> text;
  std::snprintf(text.data(), text.size(),
                "RAM page 0x%llx: %zu bytes differ, the first at 0x%llx: "
                "%02x, not %02x",
                static_cast<unsigned long long>(page), bytes,
                static_cast<unsigned long long>(page * kPageBytes + at),
                static_cast<unsigned>(static_cast<unsigned char>(got)),
                static_cast<unsigned>(static_cast<unsigned char>(expected)));
  return text.data();
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) {
      line.pop_back();
    }
    lines.push_back(line);
  }
  return lines;
}

Engine::Awaitable<Status> SaveRam(Engine& engine, std::string path) {
  const uint64_t bytes =
      std::min(kLowMemoryBytes, uint64_t{engine.options().vm.memory_mib} << 20);
  // A line of the monitor's: a path with a quote in it would break it.
  if (path.find_first_of("\"\\") != std::string::npos) {
    co_return Status::Invalid("no RAM can be saved to " + path);
  }
  auto said = co_await engine.Monitor("pmemsave 0 " + std::to_string(bytes) +
                                      " \"" + path + "\"");
  co_return said.status();
}

}  // namespace

std::vector<std::string> DifferentLines(const std::string& expected,
                                        const std::string& got) {
  const auto expected_lines = LinesOf(expected), got_lines = LinesOf(got);
  std::vector<std::string> different;
  const size_t count = std::max(expected_lines.size(), got_lines.size());
  for (size_t i = 0; i < count && different.size() < kLinesMax; ++i) {
    const std::string one = i < expected_lines.size() ? expected_lines[i] : "";
    const std::string other = i < got_lines.size() ? got_lines[i] : "";
    if (one == other) continue;
    different.push_back("registers: " + other + ", not " + one);
  }
  return different;
}

std::vector<std::string> DifferentPages(const std::string& expected_path,
                                        const std::string& got_path) {
  std::ifstream expected(expected_path, std::ios::binary);
  std::ifstream got(got_path, std::ios::binary);
  std::vector<std::string> different;
  std::array<char, kPageBytes> one = {}, other = {};
  size_t more = 0;
  for (uint64_t page = 0; expected.read(one.data(), one.size()) &&
                          got.read(other.data(), other.size());
       ++page) {
    if (one == other) continue;
    if (different.size() >= kPagesMax) {
      ++more;
      continue;
    }
    size_t bytes = 0, first = kPageBytes;
    for (size_t i = 0; i < kPageBytes; ++i) {
      if (one[i] == other[i]) continue;
      first = std::min(first, i);
      ++bytes;
    }
    different.push_back(PageText(page, bytes, first, one[first], other[first]));
  }
  if (more > 0) {
    different.push_back("and " + std::to_string(more) + " more RAM pages");
  }
  return different;
}

Engine::Awaitable<Result<std::vector<std::string>>> DescribeDifference(
    Engine& expected, Engine& got, std::string work_dir) {
  auto one = co_await expected.Monitor("info registers");
  if (!one.ok()) co_return one.status();
  auto other = co_await got.Monitor("info registers");
  if (!other.ok()) co_return other.status();
  std::vector<std::string> lines = DifferentLines(*one, *other);

  const std::string expected_path = work_dir + "/expected.ram";
  const std::string got_path = work_dir + "/got.ram";
  Status saved = co_await SaveRam(expected, expected_path);
  if (saved.ok()) saved = co_await SaveRam(got, got_path);
  if (saved.ok()) {
    const auto pages = DifferentPages(expected_path, got_path);
    lines.insert(lines.end(), pages.begin(), pages.end());
  }
  std::error_code ignored;
  std::filesystem::remove(expected_path, ignored);
  std::filesystem::remove(got_path, ignored);
  if (!saved.ok()) co_return saved;
  co_return lines;
}

}  // namespace ft::replay
