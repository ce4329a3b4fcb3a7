// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/replay/engine_pair.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "replay/engine_command.h"
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

}  // namespace

// Writes down what an engine says.
class EnginePair::Listener : public EngineListener {
 public:
  Listener(EnginePair& pair, Machine& machine)
      : pair_(pair), machine_(machine) {}
  void OnFollow(uint64_t position) override { pair_.followed_ = position; }
  void OnDivergence(const Divergence& divergence) override {
    pair_.divergence_ = divergence;
    if (pair_.pair_options_.may_diverge) return;
    ADD_FAILURE() << "divergence at " << divergence.position << ": expected "
                  << divergence.expected << ", got " << divergence.got;
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
  if (primary_.bell) primary_.bell->Cancel();
  if (backup_.bell) backup_.bell->Cancel();
  WaitUntil([&] { return coroutines_ == 0; }, std::chrono::seconds(10));
  if (::testing::Test::HasFailure()) KeepEvidence();
  EndEngine(primary_);
  EndEngine(backup_);
  io_.restart();
  io_.poll();  // what is suspended in an engine ends
  std::filesystem::remove_all(ring_dir_);
  if (!::testing::Test::HasFailure()) std::filesystem::remove_all(log_dir_);
}

void EnginePair::EndEngine(Machine& machine) {
  machine.bell.reset();
  if (machine.engine) {
    machine.engine->Kill();
    machine.engine->process().WaitForExit(-1);
    machine.engine.reset();
    machine.guard.reset();
  }
  for (const std::string& tap : machine.options.taps) (void)DeleteTap(tap);
}

void EnginePair::KeepEvidence() {
  std::ofstream commands(log_dir_ + "/commands");
  commands << FormatCommand(EngineCommand(primary_.options)) << "\n";
  if (backup_.engine) {
    commands << FormatCommand(EngineCommand(backup_.options)) << "\n";
  }
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
  options.vm.name = "tiny";
  options.vm.uuid = UuidFromName("tiny");
  options.vm.memory_mib = pair_options_.memory_mib;
  options.vm.kernel = guest + "/vmlinuz";
  options.vm.initrd = guest + "/initrd.gz";
  std::string cmdline = ReadFile(guest + "/cmdline");
  while (!cmdline.empty() && cmdline.back() == '\n') cmdline.pop_back();
  options.vm.cmdline = cmdline + " ft.run=" + pair_options_.workload +
                       " ft.n=" + std::to_string(pair_options_.rounds);
  if (pair_options_.network) {
    options.vm.cmdline += std::string(" ft.ip=") + kGuestAddress + "/24";
    options.vm.nics = {{.mac = "52:54:00:09:00:02", .bridge = kBridge}};
    options.taps = {"ft-" + who.substr(0, 1) + "-0"};
  }
  options.ring_path = ring_dir_ + "/" + who + ".ring";
  options.qmp_path = log_dir_ + "/" + who + ".qmp";
  options.console_log = log_dir_ + "/" + who + ".console";
  options.stderr_log = log_dir_ + "/" + who + ".stderr";
  return options;
}

Status EnginePair::Report(const std::string& what, const Status& status) {
  if (!status.ok()) ADD_FAILURE() << what << ": " << status.ToString();
  return status;
}

Status EnginePair::Start(Machine& machine) {
  for (size_t i = 0; i < machine.options.taps.size(); ++i) {
    auto status =
        CreateTap(machine.options.taps[i], machine.options.vm.nics[i].bridge);
    if (!status.ok()) return status;
  }
  auto started = Await(Engine::Start(machine.options, kStartTimeout));
  if (!started.ok()) return started.status();
  machine.engine = std::move(*started);
  machine.guard = std::make_unique<EngineGuard>(
      machine.engine->process().pidfd(), ring_dir_);
  machine.bell =
      std::make_unique<logchannel::RingDoorbell>(io_, machine.engine->ring());
  return Status::Ok();
}

Status EnginePair::TryStartPrimary() {
  if (auto status = CheckTestPaths(); !status.ok()) return status;
  auto status = Start(primary_);
  if (status.ok()) primary_.engine->AddListener(primary_listener_.get());
  return status;
}

bool EnginePair::StartPrimary() {
  if (!Report("primary", TryStartPrimary()).ok()) return false;
  ++coroutines_;
  asio::co_spawn(io_, Beat(), [this](std::exception_ptr) { --coroutines_; });
  return true;
}

Status EnginePair::StartBackup(uint16_t port) {
  backup_.options.incoming = "tcp:127.0.0.1:" + std::to_string(port);
  auto status = Start(backup_);
  if (status.ok()) backup_.engine->AddListener(backup_listener_.get());
  return status;
}

bool EnginePair::Clone() {
  const uint16_t port = FreePort();
  if (!Report("backup", StartBackup(port)).ok()) return false;
  auto clone = Await(primary_.engine->Clone("127.0.0.1", port, kCloneTimeout));
  if (!Report("clone", clone.status()).ok()) return false;
  clone_ = *clone;
  carried_ = clone->position;
  if (!WaitUntil([&] { return followed_.has_value(); }, kStartTimeout)) {
    ADD_FAILURE() << "the backup does not follow; " << backup_.exit_reason;
    return false;
  }
  EXPECT_EQ(*followed_, clone->position);
  pumping_ = true;
  ++coroutines_;
  asio::co_spawn(io_, Pump(), [this](std::exception_ptr error) {
    --coroutines_;
    if (error) ADD_FAILURE() << "the pump ended by an exception";
  });
  return true;
}

asio::awaitable<void> EnginePair::Pump() {
  std::vector<std::byte> buffer(logchannel::kEntryBytesMax);
  auto& from = primary_.engine->ring();
  auto& to = backup_.engine->ring();
  while (co_await primary_.bell->WaitUntil(
      [&] { return ending_ || (pumping_ && from.committed() > carried_); })) {
    if (ending_) co_return;
    const size_t size = from.ReadEntries(carried_, buffer);
    const std::span<const std::byte> entries(buffer.data(), size);
    while (!ending_ && !to.AppendEntries(carried_, entries)) {
      co_await backup_.bell->WaitUntil(
          [&] { return ending_ || to.free_bytes() >= size; });
    }
    if (ending_) co_return;
    carried_ += size;
    from.Acknowledge(carried_);
    to.SetPeerReleased(from.released());
    co_await asio::post(asio::use_awaitable);
  }
}

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

void EnginePair::SetPumping(bool on) {
  pumping_ = on;
  primary_.bell->Wake();
}

bool EnginePair::Stop(Side side) {
  auto status = Await(Of(side).engine->Stop());
  return Report("stop", status).ok();
}

void EnginePair::KillPrimary() {
  pumping_ = false;
  primary_.engine->Kill();
}

bool EnginePair::GoLive() {
  auto live = Await(backup_.engine->GoLive(carried_));
  return Report("go live", live.status()).ok();
}

bool EnginePair::WaitForConsole(Side side, const std::string& text,
                                Milliseconds timeout) {
  const bool came = WaitUntil(
      [&] {
        return !Of(side).exit_reason.empty() || divergence_ ||
               Console(side).find(text) != std::string::npos;
      },
      timeout);
  if (came && Console(side).find(text) != std::string::npos) return true;
  const std::string console = Console(side);
  ADD_FAILURE() << "no \"" << text << "\" on the console of the "
                << NameOf(side) << "; " << Of(side).exit_reason
                << "; its end:\n"
                << console.substr(console.size() -
                                  std::min<size_t>(console.size(), 500));
  return false;
}

bool EnginePair::DrainBackup(Milliseconds timeout) {
  auto& from = primary_.engine->ring();
  auto& to = backup_.engine->ring();
  const bool drained = WaitUntil(
      [&] {
        return to.consumed() == from.committed() || divergence_ ||
               !backup_.exit_reason.empty();
      },
      timeout);
  if (drained && to.consumed() == from.committed()) return true;
  ADD_FAILURE() << "the backup consumed " << to.consumed() << " of "
                << from.committed() << "; " << backup_.exit_reason;
  return false;
}

bool EnginePair::WaitUntil(const std::function<bool()>& ready,
                           Milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    io_.restart();
    io_.run_one_for(Milliseconds(10));
  }
  return true;
}

std::string EnginePair::Console(Side side) const {
  return ReadFile(Of(side).options.console_log);
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

void EnginePair::ExpectIdentical() {
  if (!Stop(Side::kPrimary) || !DrainBackup()) return;
  const MachineDigest primary = Digest(Side::kPrimary);
  const MachineDigest backup = Digest(Side::kBackup);
  EXPECT_EQ(primary.icount, backup.icount);
  EXPECT_EQ(primary.position, backup.position);
  EXPECT_EQ(primary.ram, backup.ram);
  EXPECT_EQ(primary.cpu, backup.cpu);
  EXPECT_NE(primary.ram, "");
  const std::string all = Console(Side::kPrimary);
  const std::string since_clone = Console(Side::kBackup);
  EXPECT_TRUE(all.ends_with(since_clone))
      << "the consoles differ; the backup's:\n"
      << since_clone;
}

}  // namespace ft::replay
