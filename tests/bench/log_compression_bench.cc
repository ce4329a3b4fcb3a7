// SPDX-License-Identifier: GPL-2.0-or-later
//
// log_compression_bench: what zstd does to a log on its way, from logs that
// were recorded (log.ftlog of a recording, divergence.ftlog).
//
//     log_compression_bench [--entries N] FILE...
//
// Frames are made of N entries each; a quiet guest's have one, a busy one's
// what was committed while the frame before was sent. For each file: bytes of
// log before and after, and the time that compressing and decompressing adds
// to a frame, which is what an output waits longer.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <vector>

#include "logchannel/archived_log.h"
#include "logchannel/crc32c.h"
#include "logchannel/entry_compression.h"

namespace ft::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Totals {
  uint64_t frames = 0, before = 0, after = 0, bulk = 0;
  std::vector<float> compress_us, decompress_us;
};

float Since(Clock::time_point begun) {
  return std::chrono::duration<float, std::micro>(Clock::now() - begun).count();
}

float Percentile(std::vector<float>& samples, double p) {
  if (samples.empty()) return 0;
  const auto at = static_cast<size_t>(p / 100 * (samples.size() - 1));
  std::ranges::nth_element(samples, samples.begin() + at);
  return samples[at];
}

class Channel {
 public:
  Status Send(std::span<const std::byte> frame) {
    ++totals_.frames;
    totals_.before += frame.size();
    const auto begun = Clock::now();
    if (!compressor_.Wanted(frame.size())) {
      totals_.after += frame.size();
      ++totals_.bulk;
      return Status::Ok();
    }
    const uint32_t crc = logchannel::Crc32c(frame);
    const auto piece = compressor_.Compress(frame);
    totals_.compress_us.push_back(Since(begun));
    totals_.after += piece.size();
    const auto arrived = Clock::now();
    const auto whole = decompressor_.Decompress(
        piece, static_cast<uint32_t>(frame.size()), crc);
    totals_.decompress_us.push_back(Since(arrived));
    return whole.status();
  }
  Totals& totals() { return totals_; }

 private:
  logchannel::EntryCompressor compressor_;
  logchannel::EntryDecompressor decompressor_;
  Totals totals_;
};

Status Measure(const std::string& path, size_t entries_of_a_frame) {
  auto opened = logchannel::ArchivedLogReader::Open(path);
  if (!opened.ok()) return opened.status();
  Channel channel;
  std::vector<std::byte> frame;
  size_t entries = 0;
  while (auto chunk = (*opened)->Next()) {
    logchannel::EntryWalker walker(chunk->entries, chunk->first);
    for (auto from = chunk->first; walker.Next(); from = walker.position()) {
      const auto entry =
          chunk->entries.subspan(from - chunk->first, walker.position() - from);
      frame.insert(frame.end(), entry.begin(), entry.end());
      if (++entries % entries_of_a_frame != 0) continue;
      if (Status sent = channel.Send(frame); !sent.ok()) return sent;
      frame.clear();
    }
  }
  Totals& t = channel.totals();
  fmt::print(
      "{}: {} frames of {} entries, {} bytes -> {} ({:.1f} %), mean frame "
      "{:.0f}"
      " bytes; {} left alone\n  compress us p50 {:.1f} p99 {:.1f} p99.9 {:.1f};"
      " decompress us p50 {:.1f} p99 {:.1f} p99.9 {:.1f}\n",
      path, t.frames, entries_of_a_frame, t.before, t.after,
      100.0 * t.after / std::max<uint64_t>(t.before, 1),
      1.0 * t.before / std::max<uint64_t>(t.frames, 1), t.bulk,
      Percentile(t.compress_us, 50), Percentile(t.compress_us, 99),
      Percentile(t.compress_us, 99.9), Percentile(t.decompress_us, 50),
      Percentile(t.decompress_us, 99), Percentile(t.decompress_us, 99.9));
  return (*opened)->status();
}

int Main(int argc, char** argv) {
  CLI::App app("What zstd does to a log on its way");
  std::vector<std::string> files;
  size_t entries = 1;
  app.add_option("FILE", files, "archived logs")->required();
  app.add_option("--entries", entries, "of a frame")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  for (const std::string& file : files) {
    if (Status done = Measure(file, entries); !done.ok()) {
      fmt::print(stderr, "log_compression_bench: {}\n", done.ToString());
      return 2;
    }
  }
  return 0;
}

}  // namespace
}  // namespace ft::bench

int main(int argc, char** argv) { return ft::bench::Main(argc, argv); }
