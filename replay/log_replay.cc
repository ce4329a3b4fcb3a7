// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_replay.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "logchannel/archived_log.h"
#include "logchannel/ring_doorbell.h"
#include "replay/log_recorder.h"
#include "replay/one_shot.h"
#include "replay/tap.h"

namespace ft::replay {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Half of what the orphan rule allows (ring_layout.h).
constexpr milliseconds kBeatEvery(50);
constexpr milliseconds kStartTimeout(20'000);
// From an executed log to a vCPU that rests.
constexpr milliseconds kSettleTimeout(5'000);
constexpr milliseconds kSettleEvery(2);
// Entries are handed over in pieces, so that the engine starts at once.
constexpr size_t kPieceBytes = 1u << 20;

std::string MakeRingDirectory(const std::string& parent) {
  std::string pattern = parent + "/lockstep-replay." + std::string(6, 'X');
  return mkdtemp(pattern.data()) ? pattern : "";
}

EngineOptions OptionsFor(const Recording& recording,
                         const ReplayOptions& options,
                         const std::string& ring_dir) {
  EngineOptions engine;
  engine.binary = recording.engine();
  engine.share_dir = recording.share_dir();
  engine.vm = recording.vm();
  const std::string prefix = options.work_dir + "/replay-" + options.name;
  engine.ring_path = ring_dir + "/replay-" + options.name + ".ring";
  engine.qmp_path = prefix + ".qmp";
  // Nobody speaks to it: what was typed is in the log.
  if (engine.vm.serial_input) engine.serial_path = prefix + ".serial";
  engine.console_log = prefix + ".console";
  engine.stderr_log = prefix + ".stderr";
  engine.incoming = "defer";
  for (size_t i = 0; i < engine.vm.nics.size(); ++i) {
    engine.taps.push_back(
        TapName("r" + std::to_string(getpid()) + options.name, i));
  }
  return engine;
}

}  // namespace

struct LogReplay::State : EngineListener,
                          std::enable_shared_from_this<LogReplay::State> {
  State(asio::io_context& context, ReplayOptions replay_options)
      : io(context), options(std::move(replay_options)) {}
  ~State() override { End(); }

  void OnFollow(uint64_t position) override {
    followed = position;
    if (loaded) loaded->Set(true);
  }
  void OnDivergence(const Divergence& what) override {
    if (!divergence) divergence = what;
    if (bell) bell->Wake();
  }
  void OnExit(const std::string& why) override {
    exit_reason = why;
    if (loaded) loaded->Set(false);
    if (bell) bell->Wake();
  }

  Awaitable<Status> Begin(const Recording& recording);
  Awaitable<Status> LoadSnapshot(const Recording& recording);
  static Awaitable<void> Beat(std::weak_ptr<State> weak);
  void LookAtProgress();
  void End();

  bool stopped() const { return divergence || !exit_reason.empty(); }
  Where WhereStopped() const {
    return divergence ? Where::kDiverged : Where::kExited;
  }
  // Entries that begin before `until`.
  Awaitable<Result<Where>> ExecuteTo(uint64_t until);
  Awaitable<Status> Feed(std::span<const std::byte> entries);
  Awaitable<Status> Drain();
  Awaitable<Status> Act(uint64_t at);
  // The nearest position after fed_to where something is to be done.
  uint64_t NextAct() const;

  asio::io_context& io;
  const ReplayOptions options;
  std::string ring_dir;
  std::vector<std::string> taps;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<logchannel::RingDoorbell> bell;
  std::unique_ptr<logchannel::ArchivedLogReader> log;

  std::shared_ptr<OneShot<bool>> loaded;
  std::optional<uint64_t> followed;
  std::optional<Divergence> divergence;
  std::string exit_reason;

  // Of the chunk that is being fed.
  std::span<const std::byte> rest;
  uint64_t fed_to = 0;
  bool log_ended = false;
  bool window_begun = false, window_ended = false, tampered = false;
  // Stands still since.
  uint64_t seen_consumed = 0;
  steady_clock::time_point moved;
  bool stuck = false;
};

// --- Start and end

LogReplay::Awaitable<Status> LogReplay::State::Begin(
    const Recording& recording) {
  auto opened = logchannel::ArchivedLogReader::Open(recording.log_path());
  if (!opened.ok()) co_return opened.status();
  log = std::move(*opened);
  if (log->head().first() != log->head().clone()) {
    co_return Status::Invalid(
        recording.log_path() + " does not begin at its clone",
        "only a log from the snapshot on can be replayed");
  }
  if (!recording.vm().kernel_sha256.empty()) {
    Status same = CompareBootFiles(recording.vm());
    if (!same.ok()) co_return same;
  }
  std::error_code error;
  std::filesystem::create_directories(options.work_dir, error);
  ring_dir = MakeRingDirectory(options.ring_dir);
  if (error || ring_dir.empty()) {
    co_return Status::Unavailable(
        "cannot make a directory in " +
        (error ? options.work_dir : options.ring_dir));
  }
  EngineOptions engine_options = OptionsFor(recording, options, ring_dir);
  for (const std::string& tap : engine_options.taps) {
    Status made = CreateLoneTap(tap);
    if (!made.ok()) co_return made;
    taps.push_back(tap);
  }
  auto started =
      co_await Engine::Start(std::move(engine_options), kStartTimeout);
  if (!started.ok()) co_return started.status();
  engine = std::move(*started);
  engine->AddListener(this);
  bell = std::make_unique<logchannel::RingDoorbell>(io, engine->ring());
  co_return co_await LoadSnapshot(recording);
}

LogReplay::Awaitable<Status> LogReplay::State::LoadSnapshot(
    const Recording& recording) {
  const std::string build = engine->ring().engine_build();
  if (build != log->head().engine_build()) {
    co_return Status::Invalid("engine build " + build +
                                  ", the recording's is " +
                                  log->head().engine_build(),
                              "name the engine that recorded with --engine");
  }
  loaded = std::make_shared<OneShot<bool>>(io.get_executor());
  moved = steady_clock::now();
  std::weak_ptr<State> weak = weak_from_this();
  asio::co_spawn(io, Beat(weak), asio::detached);
  Status begun =
      co_await engine->Load("exec:cat " + ShellWord(recording.snapshot_path()));
  if (!begun.ok()) co_return begun;
  const bool well = (co_await loaded->Wait(options.patience)).value_or(false);
  if (!well) {
    co_return Status::Invalid(
        "the snapshot " + recording.snapshot_path() + " cannot be loaded: " +
        (exit_reason.empty() ? "the engine says nothing" : exit_reason));
  }
  if (*followed != log->head().first()) {
    co_return Status::Invalid(
        "the snapshot is of position " + std::to_string(*followed) +
        ", the log begins at " + std::to_string(log->head().first()));
  }
  fed_to = seen_consumed = *followed;
  moved = steady_clock::now();
  co_return Status::Ok();
}

LogReplay::Awaitable<void> LogReplay::State::Beat(std::weak_ptr<State> weak) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;;) {
    if (const auto state = weak.lock()) {
      if (!state->engine) co_return;
      state->engine->ring().Beat();
      state->LookAtProgress();
    } else {
      co_return;
    }
    timer.expires_after(kBeatEvery);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

void LogReplay::State::LookAtProgress() {
  const auto now = steady_clock::now();
  const uint64_t consumed = engine->ring().consumed();
  if (consumed != seen_consumed || consumed == fed_to) {
    seen_consumed = consumed;
    moved = now;
  } else if (now - moved > options.patience) {
    stuck = true;
    bell->Wake();
  }
}

void LogReplay::State::End() {
  if (engine) {
    bell.reset();
    engine->RemoveListener(this);
    engine->Kill();
    engine->process().WaitForExit(-1);
    engine.reset();
  }
  for (const std::string& tap : taps) (void)DeleteTap(tap);
  taps.clear();
  if (!ring_dir.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(ring_dir, ignored);
    for (const char* socket : {".qmp", ".serial"}) {
      std::filesystem::remove(
          options.work_dir + "/replay-" + options.name + socket, ignored);
    }
  }
}

// --- Executing

uint64_t LogReplay::State::NextAct() const {
  uint64_t next = UINT64_MAX;
  if (const auto& window = options.one_instruction_per_block) {
    if (!window_begun) next = std::min(next, window->from);
    if (!window_ended) next = std::min(next, window->to);
  }
  if (options.tampering && !tampered) {
    next = std::min(next, options.tampering->at);
  }
  return next;
}

LogReplay::Awaitable<Status> LogReplay::State::Act(uint64_t at) {
  if (const auto& window = options.one_instruction_per_block) {
    if (!window_begun && window->from <= at) {
      window_begun = true;
      auto said = co_await engine->Monitor("singlestep on");
      if (!said.ok()) co_return said.status();
    }
    if (!window_ended && window->to <= at) {
      window_ended = true;
      auto said = co_await engine->Monitor("singlestep off");
      if (!said.ok()) co_return said.status();
    }
  }
  if (options.tampering && !tampered && options.tampering->at <= at) {
    tampered = true;
    co_return options.tampering->act(*engine);
  }
  co_return Status::Ok();
}

LogReplay::Awaitable<Result<LogReplay::Where>> LogReplay::State::ExecuteTo(
    uint64_t until) {
  while (fed_to < until && !log_ended) {
    if (rest.empty()) {
      const auto chunk = log->Next();
      if (!log->status().ok()) co_return log->status();
      log_ended = !chunk;
      if (chunk) rest = chunk->entries;
      continue;
    }
    logchannel::EntryWalker walker(rest, fed_to);
    size_t size = 0;
    while (fed_to + size < until && size < kPieceBytes && walker.Next()) {
      size = walker.position() - fed_to;
    }
    const Status fed = co_await Feed(rest.first(size));
    if (!fed.ok()) co_return fed;
    if (stopped()) co_return WhereStopped();
    rest = rest.subspan(size);
    fed_to += size;
  }
  const Status drained = co_await Drain();
  if (!drained.ok()) co_return drained;
  if (stopped()) co_return WhereStopped();
  co_return fed_to < until ? Where::kLogEnds : Where::kThere;
}

LogReplay::Awaitable<Status> LogReplay::State::Feed(
    std::span<const std::byte> entries) {
  auto& ring = engine->ring();
  while (!stopped() && !stuck) {
    const Result<bool> fed = ring.AppendEntries(fed_to, entries);
    if (!fed.ok()) co_return fed.status();
    if (*fed) break;
    co_await bell->WaitUntil([&] {
      return stopped() || stuck || ring.free_bytes() >= entries.size();
    });
  }
  if (stuck) co_return co_await Drain();
  // Let the engine's words be heard.
  co_await asio::post(asio::use_awaitable);
  co_return Status::Ok();
}

LogReplay::Awaitable<Status> LogReplay::State::Drain() {
  auto& ring = engine->ring();
  co_await bell->WaitUntil(
      [&] { return stopped() || stuck || ring.consumed() >= fed_to; });
  if (!stuck || stopped()) co_return Status::Ok();
  co_return Status::Failed(
      "the replay stands still at position " + std::to_string(ring.consumed()) +
      ", it has the log through " + std::to_string(fed_to));
}

// --- LogReplay

LogReplay::LogReplay(std::shared_ptr<State> state) : state_(std::move(state)) {}

LogReplay::~LogReplay() { state_->End(); }

LogReplay::Awaitable<Result<std::unique_ptr<LogReplay>>> LogReplay::Start(
    asio::io_context& io, const Recording& recording, ReplayOptions options) {
  auto state = std::make_shared<State>(io, std::move(options));
  std::unique_ptr<LogReplay> replay(new LogReplay(state));
  Status begun = co_await state->Begin(recording);
  if (!begun.ok()) co_return begun;
  co_return replay;
}

LogReplay::Awaitable<Result<LogReplay::Where>> LogReplay::AdvanceTo(
    uint64_t position) {
  auto state = state_;
  for (;;) {
    const uint64_t act = state->NextAct();
    auto where = co_await state->ExecuteTo(std::min(act, position));
    if (!where.ok() || *where != Where::kThere || act > position) {
      co_return where;
    }
    const Status done = co_await state->Act(state->fed_to);
    if (!done.ok()) co_return done;
  }
}

uint64_t LogReplay::position() const {
  return state_->engine->ring().consumed();
}

LogReplay::Awaitable<Result<MachineDigest>> LogReplay::Digest() {
  auto state = state_;
  // The position is published a moment before the vCPU rests; until then the
  // engine refuses.
  const auto deadline = steady_clock::now() + kSettleTimeout;
  asio::steady_timer timer(state->io);
  for (;;) {
    auto digest = co_await state->engine->Digest();
    if (digest.ok() || steady_clock::now() > deadline) co_return digest;
    timer.expires_after(kSettleEvery);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

const std::optional<Divergence>& LogReplay::divergence() const {
  return state_->divergence;
}
const std::string& LogReplay::exit_reason() const {
  return state_->exit_reason;
}
bool LogReplay::exited_well() const {
  const auto& exit = state_->engine->process().exit_status();
  return exit && exit->code == 0 && state_->rest.empty() &&
         !state_->log->Next() && state_->log->status().ok();
}
Engine& LogReplay::engine() { return *state_->engine; }

std::string LogReplay::Console() const {
  std::ifstream file(state_->engine->options().console_log, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// --- CheckRecording

std::string DescribeDigest(const MachineDigest& digest) {
  return "position " + std::to_string(digest.position) + ", instruction " +
         std::to_string(digest.icount) + ", RAM " + digest.ram +
         ", registers " + digest.cpu;
}

std::string DescribeDigest(const MachineDigest& got,
                           const MachineDigest& expected) {
  return DescribeDigest(got) +
         "; other than expected: " + FirstDifference(expected, got);
}

namespace {

using Where = LogReplay::Where;

// What stopped a replay where it should not have stopped; nothing if it did
// not, or the guest ended where its log does.
std::optional<ReplayDifference> Interruption(const LogReplay& replay,
                                             Where where, bool marks_left) {
  if (where == Where::kDiverged) {
    const Divergence& divergence = *replay.divergence();
    return ReplayDifference{.position = divergence.position,
                            .instruction = divergence.icount,
                            .expected = divergence.expected,
                            .got = divergence.got};
  }
  if (where == Where::kExited && (marks_left || !replay.exited_well())) {
    return ReplayDifference{.position = replay.position(),
                            .expected = "a machine that goes on",
                            .got = replay.exit_reason()};
  }
  if (where == Where::kLogEnds && marks_left) {
    return ReplayDifference{.position = replay.position(),
                            .expected = "a log through the next mark",
                            .got = "its end"};
  }
  return std::nullopt;
}

}  // namespace

LogReplay::Awaitable<Result<ReplayReport>> CheckRecording(
    asio::io_context& io, const Recording& recording, ReplayOptions options) {
  const auto begun = steady_clock::now();
  auto started = co_await LogReplay::Start(io, recording, std::move(options));
  if (!started.ok()) co_return started.status();
  LogReplay& replay = **started;
  ReplayReport report;
  uint64_t last_equal = replay.position();
  Where where = Where::kThere;
  for (const MachineDigest& mark : recording.marks()) {
    auto advanced = co_await replay.AdvanceTo(mark.position);
    if (!advanced.ok()) co_return advanced.status();
    where = *advanced;
    if (where != Where::kThere) break;
    auto digest = co_await replay.Digest();
    if (!digest.ok()) co_return digest.status();
    if (*digest == mark) {
      ++report.marks;
      last_equal = mark.position;
      continue;
    }
    report.difference = {.position = mark.position,
                         .instruction = digest->icount,
                         .expected = DescribeDigest(mark),
                         .got = DescribeDigest(*digest, mark)};
    break;
  }
  const bool marks_left = where != Where::kThere;
  if (!marks_left && !report.difference) {
    auto advanced = co_await replay.AdvanceTo(UINT64_MAX);
    if (!advanced.ok()) co_return advanced.status();
    where = *advanced;
  }
  // Behind the last mark there may be the end of the guest.
  const bool more = recording.marks().empty() ||
                    recording.marks().back().position < replay.position();
  if (where == Where::kLogEnds && more &&
      co_await replay.engine().WaitExit(kSettleTimeout)) {
    where = Where::kExited;
  }
  if (!report.difference) {
    report.difference = Interruption(replay, where, marks_left);
  }
  if (report.difference) report.difference->last_equal = last_equal;
  report.position = replay.position();
  report.exit_reason = replay.exit_reason();
  report.console = replay.Console();
  report.seconds =
      std::chrono::duration<double>(steady_clock::now() - begun).count();
  co_return report;
}

}  // namespace ft::replay
