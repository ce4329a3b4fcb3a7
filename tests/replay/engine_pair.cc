// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/replay/engine_pair.h"

#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "replay/engine_command.h"
#include "replay/log_replay.h"
#include "replay/tap.h"
#include "tests/replay/network_bed.h"
#include "tests/replay/test_paths.h"

namespace ft::replay {

namespace asio = boost::asio;

namespace {

using std::chrono::milliseconds;

// A firmware and kernel under TCG on a busy machine; the engine itself is
// there in well under a second.
constexpr milliseconds kStartTimeout(20'000);
constexpr milliseconds kCloneTimeout(60'000);
constexpr milliseconds kSettleTimeout(5'000);
// Half of what the orphan rule allows (ring_layout.h).
constexpr milliseconds kBeatEvery(50);

// At a console; not after each entry that is carried, whose speed may be what
// is measured.
constexpr milliseconds kLookEvery(2);

// A workload that could not do its work says so and why.
constexpr char kGuestFailed[] = "FT-GUEST-FAILED";

std::string MakeDirectory(const std::string& parent) {
  std::string pattern = parent + "/lockstep-replay." + std::string(6, 'X');
  return mkdtemp(pattern.data()) ? pattern : parent;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

const char* NameOf(Side side) {
  return side == Side::kPrimary ? "primary" : "backup";
}

std::string Number(uint64_t number) { return std::to_string(number); }

// Steps until `ready`; false when it is not within `timeout`.
template <typename Ready, typename Step>
bool RunUntil(Ready ready, milliseconds timeout, Step step) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    step();
  }
  return true;
}

// A disk's filter node, as one that passes everything on.
std::string WithoutFilter(const std::string& argument) {
  const std::string filter = "driver=ft,";
  if (!argument.starts_with(filter)) return argument;
  const size_t end = argument.find(",mode=");
  return "driver=raw," + argument.substr(filter.size(), end - filter.size());
}

// The same machine without instruction counting, recording and output rule.
std::vector<std::string> PlainCommand(const EngineOptions& options) {
  std::vector<std::string> plain;
  const std::vector<std::string> argv = EngineCommand(options);
  for (size_t i = 0; i < argv.size(); ++i) {
    if (argv[i] == "-icount" || argv[i] == "-object") {
      ++i;
    } else if (i > 0 && argv[i - 1] == "-blockdev") {
      plain.push_back(WithoutFilter(argv[i]));
    } else {
      plain.push_back(argv[i]);
    }
  }
  return plain;
}

}  // namespace

void FailTest(const std::string& what) { ADD_FAILURE() << what; }

// Writes down what an engine says.
class EnginePair::Listener : public EngineListener {
 public:
  Listener(EnginePair& pair, Machine& machine)
      : pair_(pair), machine_(machine) {}
  void OnFollow(uint64_t position) override { pair_.followed_ = position; }
  void OnReplicaProgress(const ReplicaProgress& progress) override {
    pair_.replica_ = progress;
  }
  void OnDivergence(const Divergence& divergence) override {
    pair_.divergence_ = divergence;
    if (pair_.pair_options_.may_diverge) return;
    pair_.Fail("divergence at " + Number(divergence.position) + ": expected " +
               divergence.expected + ", got " + divergence.got);
  }
  // No fault of the engine's, but nothing goes on.
  void OnOrphaned() override {
    pair_.stood_still_ = !pair_.failed_;
    pair_.Fail("this process stood still for 2 s, so the engine paused the VM");
  }
  void OnExit(const std::string& why) override { machine_.exit_reason = why; }

 private:
  EnginePair& pair_;
  Machine& machine_;
};

EnginePair::EnginePair(PairOptions options)
    : pair_options_(std::move(options)),
      log_dir_(MakeDirectory(std::filesystem::temp_directory_path())),
      ring_dir_(MakeDirectory("/dev/shm")),
      primary_listener_(std::make_unique<Listener>(*this, primary_)),
      backup_listener_(std::make_unique<Listener>(*this, backup_)) {
  primary_.options = OptionsFor("primary");
  primary_.options.extra_arguments = pair_options_.extra_arguments;
  backup_.options = OptionsFor("backup");
}

EnginePair::~EnginePair() {
  ending_ = true;
  if (carrier_) carrier_->Stop();
  if (recorder_) recorder_->Stop();
  WaitUntil([&] { return coroutines_ == 0; }, std::chrono::seconds(10));
  failed_ = failed_ || ::testing::Test::HasFailure();
  if (failed_) KeepEvidence();
  EndEngine(primary_);
  EndEngine(backup_);
  io_.restart();
  io_.poll();  // what is suspended in an engine ends
  std::filesystem::remove_all(ring_dir_);
  if (!failed_) std::filesystem::remove_all(log_dir_);
}

void EnginePair::EndEngine(Machine& machine) {
  machine.bell.reset();
  machine.console.reset();
  if (machine.plain) {
    machine.plain->Kill();
    machine.plain->WaitForExit(-1);
    machine.plain.reset();
    machine.guard.reset();
  }
  if (machine.engine) {
    machine.engine->Kill();
    machine.engine->process().WaitForExit(-1);
    machine.engine.reset();
    machine.guard.reset();
  }
  for (const std::string& tap : machine.options.taps) (void)DeleteTap(tap);
}

// Of both sides, where they diverged.
void EnginePair::KeepRegisters() {
  for (const Side side : {Side::kPrimary, Side::kBackup}) {
    const auto registers = Await(engine(side).Registers(divergence_->icount));
    std::ofstream(log_dir_ + "/registers." + NameOf(side))
        << (registers.ok() ? *registers : registers.status().ToString())
        << "\n";
  }
}

void EnginePair::KeepEvidence() {
  if (divergence_) KeepRegisters();
  std::ofstream commands(log_dir_ + "/commands");
  commands << FormatCommand(EngineCommand(primary_.options)) << "\n";
  if (backup_.engine) {
    commands << FormatCommand(EngineCommand(backup_.options)) << "\n";
  }
  if (carrier_ && pair_options_.archive) {
    (void)carrier_->WriteArchive(log_dir_ + "/log.ftlog", "a test failed");
  }
  std::ofstream marks(log_dir_ + "/marks");
  for (const std::string& mark : all_marks_) marks << mark << "\n";
  std::error_code ignored;
  for (const Machine* machine : {&primary_, &backup_}) {
    const std::filesystem::path ring(machine->options.ring_path);
    std::filesystem::copy_file(ring, log_dir_ / ring.filename(), ignored);
  }
  std::fprintf(stderr, "consoles, rings and command lines are kept in %s\n",
               log_dir_.c_str());
}

EngineOptions EnginePair::OptionsFor(const std::string& who) const {
  const std::string guest = GuestDirectory();
  EngineOptions options;
  options.binary = EngineBinary();
  options.share_dir = EngineShare();
  options.vm.name = "tiny";
  options.vm.uuid = UuidFromName("tiny");
  options.vm.memory_mib = pair_options_.memory_mib;
  options.vm.kernel = guest + "/" + pair_options_.kernel;
  options.vm.initrd = guest + "/" + pair_options_.initrd;
  std::string cmdline = ReadFile(guest + "/cmdline");
  while (!cmdline.empty() && cmdline.back() == '\n') cmdline.pop_back();
  options.vm.cmdline = cmdline + " ft.run=" + pair_options_.workload +
                       " ft.n=" + std::to_string(pair_options_.rounds);
  if (!pair_options_.kernel_arguments.empty()) {
    options.vm.cmdline += " " + pair_options_.kernel_arguments;
  }
  if (pair_options_.network) {
    options.vm.cmdline += std::string(" ft.ip=") + kGuestAddress + "/24";
    options.vm.nics = {{.mac = "52:54:00:09:00:02",
                        .model = pair_options_.nic_model,
                        .bridge = kBridge}};
    options.taps = {"ft-" + who.substr(0, 1) + "-0"};
  }
  const bool own = who == "backup" && !pair_options_.backup_disks.empty();
  options.vm.disks = own ? pair_options_.backup_disks : pair_options_.disks;
  options.writer = {.host = who == "primary" ? "hostA" : "hostB", .epoch = 1};
  options.vm.video = pair_options_.video;
  options.vm.tablet = pair_options_.tablet;
  options.vm.serial_input = pair_options_.serial_input;
  if (pair_options_.serial_input) {
    options.serial_path = log_dir_ + "/" + who + ".serial";
  }
  options.ring_path = ring_dir_ + "/" + who + ".ring";
  options.qmp_path = log_dir_ + "/" + who + ".qmp";
  options.console_log = log_dir_ + "/" + who + ".console";
  options.stderr_log = log_dir_ + "/" + who + ".stderr";
  return options;
}

Status EnginePair::Report(const std::string& what, const Status& status) {
  if (!status.ok()) Fail(what + ": " + status.ToString());
  return status;
}

void EnginePair::Fail(const std::string& what) {
  failed_ = true;
  pair_options_.fail(what);
}

Status EnginePair::Start(Machine& machine) {
  for (size_t i = 0; i < machine.options.taps.size(); ++i) {
    auto status =
        CreateTap(machine.options.taps[i], machine.options.vm.nics[i].bridge);
    if (!status.ok()) return status;
  }
  if (pair_options_.plain) return StartPlain(machine);
  auto started = Await(Engine::Start(machine.options, kStartTimeout));
  if (!started.ok()) return started.status();
  machine.engine = std::move(*started);
  machine.guard = std::make_unique<EngineGuard>(
      machine.engine->process().pidfd(), ring_dir_);
  machine.bell =
      std::make_unique<logchannel::RingDoorbell>(io_, machine.engine->ring());
  machine.console =
      std::make_unique<ConsoleWatch>(io_, machine.options.console_log);
  return Status::Ok();
}

Status EnginePair::StartPlain(Machine& machine) {
  // It rewrites the file; there it is to be watched from the beginning.
  std::ofstream(machine.options.console_log).flush();
  auto process = EngineProcess::Spawn(PlainCommand(machine.options),
                                      machine.options.stderr_log);
  if (!process.ok()) return process.status();
  machine.plain = std::move(*process);
  machine.guard =
      std::make_unique<EngineGuard>(machine.plain->pidfd(), ring_dir_);
  machine.console =
      std::make_unique<ConsoleWatch>(io_, machine.options.console_log);
  return Status::Ok();
}

Status EnginePair::TryStartPrimary() {
  if (auto status = CheckTestPaths(); !status.ok()) return status;
  auto status = Start(primary_);
  if (status.ok() && primary_.engine) {
    primary_.engine->AddListener(primary_listener_.get());
  }
  return status;
}

bool EnginePair::StartPrimary() {
  if (!Report("primary", TryStartPrimary()).ok()) return false;
  Spawn(Beat(), "beat");
  return true;
}

void EnginePair::Spawn(asio::awaitable<void> coroutine, const char* name) {
  ++coroutines_;
  asio::co_spawn(io_, std::move(coroutine),
                 [this, name](std::exception_ptr error) {
                   --coroutines_;
                   if (error)
                     Fail(std::string(name) + " ended by an exception");
                 });
}

Status EnginePair::StartBackup(uint16_t port) {
  backup_.options.incoming = "tcp:127.0.0.1:" + std::to_string(port);
  auto status = Start(backup_);
  if (status.ok()) backup_.engine->AddListener(backup_listener_.get());
  return status;
}

bool EnginePair::PrepareBackup() {
  clone_port_ = FreePort();
  return Report("backup", StartBackup(clone_port_)).ok();
}

bool EnginePair::Clone() {
  if (!backup_.engine && !PrepareBackup()) return false;
  auto clone = Await(primary_.engine->Clone(
      "127.0.0.1", clone_port_, kCloneTimeout, pair_options_.clone));
  if (!Report("clone", clone.status()).ok()) return false;
  clone_ = *clone;
  primary_.engine->ring().SetDenseDigests(pair_options_.dense);
  carrier_.emplace(LogCarrier::End{primary_.engine->ring(), *primary_.bell},
                   LogCarrier::End{backup_.engine->ring(), *backup_.bell},
                   clone_.position, pair_options_.archive);
  if (!WaitUntil([&] { return followed_.has_value(); }, kStartTimeout)) {
    Fail("the backup does not follow; " + backup_.exit_reason);
    return false;
  }
  if (*followed_ != clone_.position) {
    Fail("cloned at " + Number(clone_.position) + ", followed from " +
         Number(*followed_));
    return false;
  }
  Spawn(carrier_->Carry(), "carrier");
  Spawn(carrier_->Follow(), "follower");
  return true;
}

bool EnginePair::Record() {
  const std::string directory = log_dir_ + "/recording";
  std::filesystem::create_directory(directory);
  recorder_.emplace(*primary_.engine, *primary_.bell, directory, "a test");
  auto clone = Await(recorder_->Begin(kCloneTimeout, pair_options_.dense));
  if (!Report("snapshot", clone.status()).ok()) return false;
  clone_ = *clone;
  Spawn(recorder_->Carry(), "recorder");
  return true;
}

bool EnginePair::EndRecording() {
  auto& ring = primary_.engine->ring();
  if (primary_.exit_reason.empty() && !StopAndMark()) return false;
  WaitUntil([&] { return recorder_->carried() == ring.committed(); },
            kSettleTimeout);
  ending_ = true;
  recorder_->Stop();
  WaitUntil([&] { return coroutines_ == 0; }, kSettleTimeout);
  if (recorder_->carried() != ring.committed()) {
    Fail("the log ends at " + Number(recorder_->carried()) +
         ", the primary's at " + Number(ring.committed()));
  }
  return Report("log", recorder_->Finish()).ok();
}

void EnginePair::Feed(uint64_t until) { Spawn(carrier_->Feed(until), "feed"); }

asio::awaitable<void> EnginePair::Beat() {
  asio::steady_timer timer(io_);
  while (!ending_) {
    if (primary_.engine) primary_.engine->ring().Beat();
    if (backup_.engine) backup_.engine->ring().Beat();
    timer.expires_after(kBeatEvery);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

bool EnginePair::Protect() {
  auto position = Await(primary_.engine->Protect());
  return Report("protect", position.status()).ok();
}

void EnginePair::SetPumping(bool on) { carrier_->SetCarrying(on); }

bool EnginePair::Stop(Side side) {
  auto status = Await(Of(side).engine->Stop());
  return Report("stop", status).ok();
}

void EnginePair::KillPrimary() {
  if (carrier_) carrier_->SetCarrying(false);
  primary_.engine->Kill();
}

bool EnginePair::GoLive() {
  auto live = Await(backup_.engine->GoLive(carrier_->carried()));
  return Report("go live", live.status()).ok();
}

bool EnginePair::WaitForConsole(Side side, const std::string& text,
                                Milliseconds timeout) {
  const auto has = [&](const char* what) {
    return Console(side).find(what) != std::string::npos;
  };
  RunUntil(
      [&] {
        return !Of(side).exit_reason.empty() || divergence_ ||
               has(text.c_str()) || has(kGuestFailed);
      },
      timeout,
      [&] {
        io_.restart();
        io_.run_for(kLookEvery);
      });
  if (has(text.c_str())) return true;
  const std::string console = Console(side);
  Fail("no \"" + text + "\" on the console of the " + NameOf(side) + "; " +
       Of(side).exit_reason + "; its end:\n" +
       console.substr(console.size() - std::min<size_t>(console.size(), 500)));
  return false;
}

bool EnginePair::DrainBackup(Milliseconds timeout) {
  return DrainBackupTo(primary_.engine->ring().committed(), timeout);
}

bool EnginePair::DrainBackupTo(uint64_t position, Milliseconds timeout) {
  auto& ring = backup_.engine->ring();
  WaitUntil(
      [&] {
        return ring.consumed() >= position || divergence_ ||
               !backup_.exit_reason.empty();
      },
      timeout);
  if (ring.consumed() >= position) return true;
  Fail("the backup consumed " + Number(ring.consumed()) + " of " +
       Number(position) + "; " + backup_.exit_reason);
  return false;
}

bool EnginePair::WaitUntil(const std::function<bool()>& ready,
                           Milliseconds timeout) {
  return RunUntil(ready, timeout, [&] {
    io_.restart();
    io_.run_one_for(Milliseconds(10));
  });
}

std::string EnginePair::Console(Side side) {
  Machine& machine = Of(side);
  return machine.console ? machine.console->Text() : std::string();
}

std::optional<ConsoleWatch::TimePoint> EnginePair::LineTime(
    Side side, const std::string& prefix) {
  Machine& machine = Of(side);
  return machine.console ? machine.console->LineTime(prefix) : std::nullopt;
}

pid_t EnginePair::EnginePid(Side side) {
  Machine& machine = Of(side);
  return machine.plain ? machine.plain->pid() : machine.engine->process().pid();
}

double EnginePair::CpuSeconds(Side side) {
  clockid_t clock;
  timespec used = {};
  if (clock_getcpuclockid(EnginePid(side), &clock) == 0) {
    clock_gettime(clock, &used);
  }
  return static_cast<double>(used.tv_sec) +
         static_cast<double>(used.tv_nsec) * 1e-9;
}

EngineState EnginePair::Query(Side side) {
  auto state = Await(Of(side).engine->Query());
  if (!Report("query", state.status()).ok()) return {};
  return *state;
}

MachineDigest EnginePair::Digest(Side side) {
  // A drained backup has published its position a moment before its vCPU
  // comes to rest; until then the engine refuses.
  Result<MachineDigest> digest = Status::Failed("not asked");
  WaitUntil(
      [&] {
        digest = Await(Of(side).engine->Digest());
        return digest.ok();
      },
      kSettleTimeout);
  if (!Report("digest", digest.status()).ok()) return {};
  return *digest;
}

bool EnginePair::StopAndMark() {
  if (!Stop(Side::kPrimary)) return false;
  // Stopping may leave an instruction count to be logged, by whichever command
  // comes next: the mark is where nothing follows any more.
  MachineDigest digest;
  WaitUntil(
      [&] {
        digest = Digest(Side::kPrimary);
        return failed_ || Query(Side::kPrimary).committed == digest.position;
      },
      kSettleTimeout);
  all_marks_.push_back(DescribeDigest(digest));
  if (recorder_) {
    if (!Report("mark", recorder_->Mark(digest)).ok()) return false;
  } else {
    marks_.push_back(digest);
  }
  // The archive gets a piece that ends here.
  if (WaitUntil([&] { return carried() >= digest.position; }, kSettleTimeout)) {
    return true;
  }
  Fail("the log ends at " + Number(carried()) + ", the stopped primary is at " +
       Number(digest.position));
  return false;
}

bool EnginePair::CompareNextMark() {
  const MachineDigest primary = marks_.front();
  marks_.pop_front();
  if (!DrainBackupTo(primary.position)) return false;
  const MachineDigest backup = Digest(Side::kBackup);
  if (primary == backup && !primary.ram.empty()) return true;
  Fail("primary and backup differ, " + FirstDifference(primary, backup) + ": " +
       DescribeDigest(primary) + " and " + DescribeDigest(backup));
  return false;
}

bool EnginePair::CompareHere() {
  if (!StopAndMark()) return false;
  const bool now = !pair_options_.archive && !recorder_;
  if (now && !CompareNextMark()) return false;
  return Report("cont", Await(primary_.engine->Cont())).ok();
}

void EnginePair::ExpectIdentical() {
  if (!StopAndMark()) return;
  while (!marks_.empty()) {
    if (pair_options_.archive) Feed(marks_.front().position);
    if (!CompareNextMark()) return;
  }
  const std::string since_clone = Console(Side::kBackup);
  if (!Console(Side::kPrimary).ends_with(since_clone)) {
    Fail("the consoles differ; the backup's:\n" + since_clone);
  }
}

}  // namespace ft::replay
