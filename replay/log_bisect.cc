// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_bisect.h"

#include <algorithm>

#include "replay/machine_difference.h"

namespace ft::replay {

namespace asio = boost::asio;

namespace {

using Where = LogReplay::Where;

// Comparisons in one round, each a digest of all RAM, against the rounds that
// it takes, each a replay up to the place.
constexpr size_t kPointsPerRound = 16;

// What the engine calls the expected side of a digest that differs.
constexpr char kDigestWord[] = "checksum";

std::string Number(uint64_t number) { return std::to_string(number); }

class Bisect {
 public:
  template <typename T>
  using Awaitable = LogReplay::Awaitable<T>;

  Bisect(asio::io_context& io, const Recording& recording,
         BisectOptions options)
      : io_(io), recording_(recording), options_(std::move(options)) {
    reference_options_ = options_.suspect;
    reference_options_.name = options_.suspect.name + "0";
    reference_options_.one_instruction_per_block.reset();
    reference_options_.tampering.reset();
  }

  Awaitable<Result<BisectReport>> Run() {
    Say("replaying the suspect");
    auto suspect = co_await CheckRecording(io_, recording_, options_.suspect);
    if (!suspect.ok()) co_return suspect.status();
    report_.marks = suspect->marks;
    report_.noticed = suspect->difference;
    if (!report_.noticed) {
      report_.verdict =
          "the replay is the recorded machine: all digests in "
          "the log and " +
          std::to_string(suspect->marks) + " marks are equal";
      co_return report_;
    }
    report_.expected = report_.noticed->expected;
    report_.got = report_.noticed->got;
    Say("it differs, noticed at position " + Number(report_.noticed->position) +
        "; replaying the reference");
    auto reference =
        co_await CheckRecording(io_, recording_, reference_options_);
    if (!reference.ok()) co_return reference.status();
    if (reference->difference &&
        reference->difference->last_equal <= report_.noticed->last_equal) {
      NameByDigest();
      co_return report_;
    }
    const Status narrowed = co_await Narrow();
    if (!narrowed.ok()) co_return narrowed;
    co_return report_;
  }

 private:
  struct Pair {
    std::unique_ptr<LogReplay> reference, suspect;
  };

  void Say(const std::string& what) {
    if (options_.progress) options_.progress(what);
  }

  std::string Stretch() const {
    return "between positions " + Number(report_.noticed->last_equal) +
           " and " + Number(report_.noticed->position);
  }

  // Every replay differs from the recording: its own digests have to tell.
  void NameByDigest() {
    const bool at_digest =
        report_.noticed->expected.find(kDigestWord) != std::string::npos;
    auto since = EntriesSinceState(recording_.log_path(),
                                   report_.noticed->position, at_digest);
    report_.verdict = "every replay differs from the recording, ";
    if (!since.ok()) {
      report_.verdict += "somewhere " + Stretch() +
                         "; a recording with dense digests would name the "
                         "entry";
      return;
    }
    report_.entry = std::move(*since);
    report_.verdict += "first in the ";
    if (report_.entry->entries == 1) {
      report_.verdict += "entry at position " + Number(report_.entry->position);
    } else {
      report_.verdict +=
          std::to_string(report_.entry->entries) + " entries from position " +
          Number(report_.entry->position) + " to " + Number(report_.entry->end);
    }
  }

  Awaitable<Status> Narrow() {
    auto ends = EntryEnds(recording_.log_path(), report_.noticed->last_equal,
                          report_.noticed->position);
    if (!ends.ok()) co_return ends.status();
    candidates_ = std::move(*ends);
    // A divergence may be noticed inside an entry.
    auto last = EntryEndingAt(recording_.log_path(), report_.noticed->position);
    if (!last.ok()) co_return last.status();
    if (candidates_.empty() || candidates_.back() != last->end) {
      candidates_.push_back(last->end);
    }
    bool repeated = true;
    while (candidates_.size() > 1 && repeated) {
      Say(Number(candidates_.size()) + " entries are left");
      auto round = co_await Round();
      if (!round.ok()) co_return round.status();
      repeated = *round;
    }
    if (!repeated) {
      report_.verdict = "the difference " + Stretch() + " did not come again";
      co_return Status::Ok();
    }
    co_return co_await Explain();
  }

  Awaitable<Result<Pair>> StartBoth() {
    Pair pair;
    auto reference =
        co_await LogReplay::Start(io_, recording_, reference_options_);
    if (!reference.ok()) co_return reference.status();
    pair.reference = std::move(*reference);
    auto suspect = co_await LogReplay::Start(io_, recording_, options_.suspect);
    if (!suspect.ok()) co_return suspect.status();
    pair.suspect = std::move(*suspect);
    co_return pair;
  }

  // Are they the same machine there?
  Awaitable<Result<bool>> EqualAt(Pair& pair, uint64_t position) {
    auto reference = co_await pair.reference->AdvanceTo(position);
    if (!reference.ok()) co_return reference.status();
    if (*reference != Where::kThere) {
      co_return Status::Failed("the reference ended before position " +
                               Number(position));
    }
    auto suspect = co_await pair.suspect->AdvanceTo(position);
    if (!suspect.ok()) co_return suspect.status();
    if (*suspect != Where::kThere) co_return false;
    auto expected = co_await pair.reference->Digest();
    if (!expected.ok()) co_return expected.status();
    auto got = co_await pair.suspect->Digest();
    if (!got.ok()) co_return got.status();
    if (*expected == *got) co_return true;
    report_.expected = DescribeDigest(*expected);
    report_.got = DescribeDigest(*got, *expected);
    co_return false;
  }

  // Leaves fewer candidates; false if the machines were equal everywhere.
  Awaitable<Result<bool>> Round() {
    auto pair = co_await StartBoth();
    if (!pair.ok()) co_return pair.status();
    const size_t count = candidates_.size();
    const size_t points = std::min(count, kPointsPerRound);
    size_t equal = 0;  // so many candidates are known to be too early
    for (size_t i = 1; i <= points; ++i) {
      const size_t index = count * i / points - 1;
      auto same = co_await EqualAt(*pair, candidates_[index]);
      if (!same.ok()) co_return same.status();
      if (*same) {
        equal = index + 1;
        continue;
      }
      candidates_.resize(index + 1);
      candidates_.erase(
          candidates_.begin(),
          candidates_.begin() + static_cast<std::ptrdiff_t>(equal));
      co_return true;
    }
    co_return false;
  }

  // One entry is left.
  Awaitable<Status> Explain() {
    auto entry = EntryEndingAt(recording_.log_path(), candidates_.front());
    if (!entry.ok()) co_return entry.status();
    report_.entry = *entry;
    report_.verdict =
        "the first entry after which the state differs is at "
        "position " +
        Number(entry->position);
    auto pair = co_await StartBoth();
    if (!pair.ok()) co_return pair.status();
    auto same = co_await EqualAt(*pair, candidates_.front());
    if (!same.ok()) co_return same.status();
    if (*same || !pair->suspect->exit_reason().empty()) {
      co_return Status::Ok();
    }
    if (const auto& divergence = pair->suspect->divergence()) {
      report_.expected = divergence->expected;
      report_.got = divergence->got;
    }
    auto details = co_await DescribeDifference(pair->reference->engine(),
                                               pair->suspect->engine(),
                                               options_.suspect.work_dir);
    if (details.ok()) report_.details = std::move(*details);
    co_return Status::Ok();
  }

  asio::io_context& io_;
  const Recording& recording_;
  const BisectOptions options_;
  ReplayOptions reference_options_;
  BisectReport report_;
  // Ends of the entries of which one is the first with a difference.
  std::vector<uint64_t> candidates_;
};

}  // namespace

std::string Render(const BisectReport& report) {
  std::string text = report.verdict + "\n";
  if (!report.noticed) return text;
  if (const auto& entry = report.entry) {
    text += "entry     " + Number(entry->position) + " to " +
            Number(entry->end) + ", after " + Number(entry->instruction) +
            " instructions of the log\n";
    for (const std::string& event : entry->events) {
      text += "          " + event + "\n";
    }
  }
  text += "expected  " + report.expected + "\n";
  text += "got       " + report.got + "\n";
  for (const std::string& detail : report.details) {
    text += "          " + detail + "\n";
  }
  text += "noticed   at position " + Number(report.noticed->position) +
          ", instruction " + Number(report.noticed->instruction) +
          "; equal until " + Number(report.noticed->last_equal) + "\n";
  return text;
}

LogReplay::Awaitable<Result<BisectReport>> BisectRecording(
    asio::io_context& io, const Recording& recording, BisectOptions options) {
  Bisect bisect(io, recording, std::move(options));
  co_return co_await bisect.Run();
}

}  // namespace ft::replay
