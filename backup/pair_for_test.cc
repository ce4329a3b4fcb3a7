// SPDX-License-Identifier: GPL-2.0-or-later
#include "backup/pair_for_test.h"

#include <unistd.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>

namespace ft::backup {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

template <typename T>
T Must(Result<T> result) {
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return std::move(result).value();
}

}  // namespace

// --- CuttableRelay

CuttableRelay::CuttableRelay(asio::io_context& io, uint16_t target)
    : acceptor_(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
      target_(target) {
  asio::co_spawn(io, Accept(), asio::detached);
}

void CuttableRelay::Close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  for (auto& socket : sockets_) socket->close(ignored);
}

asio::awaitable<void> CuttableRelay::Accept() {
  boost::system::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  for (;;) {
    auto near = std::make_shared<tcp::socket>(acceptor_.get_executor());
    co_await acceptor_.async_accept(*near, token);
    if (error) co_return;
    auto far = std::make_shared<tcp::socket>(acceptor_.get_executor());
    co_await far->async_connect({asio::ip::address_v4::loopback(), target_},
                                token);
    near->set_option(tcp::no_delay(true));
    far->set_option(tcp::no_delay(true));
    sockets_.push_back(near);
    sockets_.push_back(far);
    asio::co_spawn(near->get_executor(), Carry(near, far), asio::detached);
    asio::co_spawn(near->get_executor(), Carry(far, near), asio::detached);
  }
}

asio::awaitable<void> CuttableRelay::Carry(std::shared_ptr<tcp::socket> from,
                                           std::shared_ptr<tcp::socket> to) {
  std::vector<char> bytes(65536);
  boost::system::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  for (;;) {
    const size_t size =
        co_await from->async_read_some(asio::buffer(bytes), token);
    if (error || cut_) break;
    co_await asio::async_write(*to, asio::buffer(bytes, size), token);
    if (error) break;
  }
  boost::system::error_code ignored;
  if (!cut_) to->shutdown(tcp::socket::shutdown_send, ignored);
}

// --- PairTest

void PairTest::SetUp() {
  std::string pattern = ::testing::TempDir() + "/pair." + std::string(6, 'X');
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  directory_ = pattern;
  std::ofstream(directory_ + "/vmlinuz") << "kernel";
  vm_.name = "vm1";
  vm_.uuid = replay::UuidFromName("vm1");
  vm_.memory_mib = 64;
  vm_.kernel = directory_ + "/vmlinuz";
  memory_ = std::make_shared<fencing::MemoryTestAndSet>();
  store_ = std::make_unique<fencing::AsyncTestAndSet>(
      memory_, std::chrono::milliseconds(300));
  const logchannel::ListenOptions any{.address = "127.0.0.1", .port = 0};
  beats_a_ = Must(logchannel::HeartbeatPort::Open(io_, any));
  beats_b_ = Must(logchannel::HeartbeatPort::Open(io_, any));
  listener_ = Must(logchannel::Listener::Open(io_, any));
  asio::co_spawn(io_, ServeBackup(), asio::detached);
  relay_ = std::make_unique<CuttableRelay>(io_, listener_->port());
  primary_options_.host = "hostA";
  primary_options_.peer = "hostB";
  primary_options_.peer_address = "127.0.0.1";
  primary_options_.peer_log_port = relay_->port();
  primary_options_.epoch = 1;
  primary_options_.farewell_timeout = std::chrono::milliseconds(800);
  primary_options_.run_dir = directory_;
  backup_options_.host = "hostB";
}

void PairTest::TearDown() {
  StoreIs(fencing::MemoryTestAndSet::Fault::kNone);
  if (primary_ && !primary_end_) primary_->Disable("the test ends");
  RunUntil([this] { return !primary_ || primary_end_; });
  if (backup_ && !backup_end_) backup_->Stop("the test ends");
  RunUntil([this] { return !backup_ || backup_end_; });
  for (auto* engine : {&engine_a_, &engine_b_}) {
    if (!*engine) continue;
    (*engine)->Kill();
    RunUntil([&] { return !(*engine)->running(); });
    (*engine)->RemoveFiles();
  }
  primary_.reset();
  backup_.reset();
  engine_a_.reset();
  engine_b_.reset();
  listener_->Close();
  relay_->Close();
  beats_a_.reset();
  beats_b_.reset();
  RunFor(Milliseconds(20));
  if (HasFailure()) {
    for (const std::string& line : story_) std::cerr << line << "\n";
  }
  std::filesystem::remove_all(directory_);
}

void PairTest::Note(const std::string& line) {
  static const auto start = std::chrono::steady_clock::now();
  const auto ms = std::chrono::duration_cast<Milliseconds>(
      std::chrono::steady_clock::now() - start);
  story_.push_back(std::to_string(ms.count()) + " ms  " + line);
}

bool PairTest::RunUntil(const std::function<bool()>& ready,
                        Milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    io_.restart();
    io_.run_one_for(Milliseconds(5));
  }
  return true;
}

replay::EngineOptions PairTest::EngineOptionsOf(const std::string& host) const {
  const std::string base = directory_ + "/" + host;
  replay::EngineOptions options;
  options.binary = COUNTING_ENGINE;
  options.vm = vm_;
  options.ring_path = base + ".ring";
  options.qmp_path = base + ".qmp";
  options.console_log = base + ".console";
  options.stderr_log = base + ".stderr";
  options.extra_arguments = {"-words", "out=" + base + ".out"};
  return options;
}

void PairTest::Play(std::function<asio::awaitable<void>()> script) {
  bool done = false;
  asio::co_spawn(io_, script, [&](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
    done = true;
  });
  ASSERT_TRUE(RunUntil([&] { return done; })) << "the script hangs";
}

void PairTest::StartVm() {
  vm_.cmdline = words_;
  ASSERT_EQ(memory_->Acquire("vm1", 0, "hostA").outcome,
            fencing::TestAndSetOutcome::kAcquired);
  Play([this]() -> asio::awaitable<void> {
    auto engine = co_await replay::Engine::Start(EngineOptionsOf("hostA"));
    EXPECT_TRUE(engine.ok()) << engine.status().ToString();
    if (engine.ok()) engine_a_ = std::move(*engine);
  });
  ASSERT_TRUE(engine_a_);
}

void PairTest::Enable() {
  primary_options_.vm = vm_;
  primary_options_.own_heartbeat_port = heartbeats_ ? beats_a_->port() : 9;
  backup_options_.own_heartbeat_port = heartbeats_ ? beats_b_->port() : 9;
  primary_ = std::make_unique<primary::PrimaryAgent>(
      io_, *engine_a_, *store_, blocking_, *beats_a_, *this, primary_options_);
  asio::co_spawn(io_, primary_->Run(),
                 [this](std::exception_ptr error, primary::Outcome outcome) {
                   if (error) std::rethrow_exception(error);
                   Note("hostA ends: " + std::string(Name(outcome.end)) + ", " +
                        outcome.reason + ", " + outcome.why);
                   primary_end_ = std::move(outcome);
                 });
}

void PairTest::Protect() {
  StartVm();
  Enable();
  ASSERT_TRUE(RunUntil([this] {
    return primary_end_ || (primary_->state() == primary::State::kProtected &&
                            backup_->state() == State::kProtected);
  }));
  ASSERT_FALSE(primary_end_) << primary_end_->why;
}

asio::awaitable<void> PairTest::ServeBackup() {
  while (auto connection = co_await listener_->Accept()) {
    auto frame = co_await connection->Receive(std::chrono::seconds(1));
    if (!frame.ok() || !frame->header.has_hello() || backup_) continue;
    backup_ = std::make_unique<BackupAgent>(io_, *this, *store_, blocking_,
                                            *beats_b_, *this, backup_options_,
                                            connection, frame->header.hello());
    asio::co_spawn(io_, backup_->Run(),
                   [this](std::exception_ptr error, Outcome outcome) {
                     if (error) std::rethrow_exception(error);
                     Note("hostB ends: " + std::string(Name(outcome.end)) +
                          ", " + outcome.reason + ", " + outcome.why);
                     backup_end_ = std::move(outcome);
                     if (backup_end_->end == End::kLive) {
                       engine_b_ = backup_->TakeEngine();
                     }
                   });
  }
}

void PairTest::GivePrivateDisk(uint64_t bytes) {
  const std::string path = directory_ + "/disk.img";
  std::ofstream(path).close();
  std::filesystem::resize_file(path, bytes);
  vm_.disks.push_back({.path = path, .mode = replay::kPrivate});
}

asio::awaitable<Result<LaunchedBackup>> PairTest::LaunchBackup(
    const replay::VmDefinition& vm, const std::vector<Replica>& replicas) {
  replicas_ = replicas;
  tcp::acceptor free(io_, {asio::ip::address_v4::loopback(), 0});
  const uint16_t port = free.local_endpoint().port();
  free.close();
  auto options = EngineOptionsOf("hostB");
  options.vm = vm;
  options.incoming = "tcp:0.0.0.0:" + std::to_string(port);
  options.extra_arguments.back() += " " + backup_words_;
  auto engine = co_await replay::Engine::Start(options);
  if (!engine.ok()) co_return engine.status();
  LaunchedBackup launched;
  launched.engine = std::move(*engine);
  launched.clone_port = port;
  co_return launched;
}

void PairTest::OnBackupState(State state, const std::string& why) {
  Note("hostB " + std::string(Name(state)) + ": " + why);
}
void PairTest::OnBackupEvent(const std::string& what) {
  Note("hostB   " + what);
}
void PairTest::OnPrimaryState(primary::State state, const std::string& why) {
  Note("hostA " + std::string(primary::Name(state)) + ": " + why);
}
void PairTest::OnPrimaryEvent(const std::string& what) {
  Note("hostA   " + what);
}

fencing::VmRecord PairTest::Record() {
  StoreIs(fencing::MemoryTestAndSet::Fault::kNone);
  auto record = memory_->Read("vm1");
  return record.ok() && *record ? **record : fencing::VmRecord{};
}

std::vector<uint64_t> PairTest::OutputsOf(const std::string& host) const {
  std::ifstream file(directory_ + "/" + host + ".out");
  std::vector<uint64_t> numbers;
  for (uint64_t number; file >> number;) numbers.push_back(number);
  return numbers;
}

uint64_t PairTest::CheckOutputs() const {
  uint64_t last = 0;
  for (uint64_t number : OutputsOf("hostA")) {
    EXPECT_EQ(number, last + 1) << "a gap in what hostA sent";
    last = number;
  }
  const std::vector<uint64_t> second = OutputsOf("hostB");
  if (second.empty()) return last;
  // What the primary sent last may be sent again, nothing may be missing.
  EXPECT_LE(second.front(), last + 1) << "a gap between the two";
  last = second.front() - 1;
  for (uint64_t number : second) {
    EXPECT_EQ(number, last + 1) << "a gap in what hostB sent";
    last = number;
  }
  return last;
}

}  // namespace ft::backup
