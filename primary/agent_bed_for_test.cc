// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/agent_bed_for_test.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ft::primary {

namespace asio = boost::asio;
using asio::ip::tcp;

void AgentBed::SetUp() {
  std::string pattern = ::testing::TempDir() + "/agent." + std::string(6, 'X');
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  directory_ = pattern;
  std::ofstream(directory_ + "/vmlinuz") << "kernel";
  vm_.name = "vm1";
  vm_.uuid = replay::UuidFromName("vm1");
  vm_.memory_mib = 64;
  vm_.kernel = directory_ + "/vmlinuz";
  memory_ = std::make_shared<fencing::MemoryTestAndSet>();
  store_ =
      std::make_unique<fencing::AsyncTestAndSet>(memory_, Milliseconds(300));
  ASSERT_EQ(memory_->Acquire("vm1", 0, "hostA").outcome,
            fencing::TestAndSetOutcome::kAcquired);
  sink_ = std::make_unique<tcp::acceptor>(
      io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  Play([this]() -> asio::awaitable<void> {
    replay::EngineOptions options;
    options.binary = COUNTING_ENGINE;
    options.vm = vm_;
    options.ring_path = directory_ + "/ring";
    options.qmp_path = directory_ + "/qmp";
    options.console_log = directory_ + "/console";
    options.stderr_log = directory_ + "/stderr";
    options.extra_arguments = {"-words", "out=" + directory_ + "/out"};
    auto engine = co_await replay::Engine::Start(std::move(options));
    EXPECT_TRUE(engine.ok()) << engine.status().ToString();
    if (engine.ok()) engine_ = std::move(*engine);
  });
  ASSERT_TRUE(engine_);
}

void AgentBed::TearDown() {
  if (engine_) {
    engine_->Kill();
    RunUntil([this] { return !engine_->running(); });
    engine_->RemoveFiles();
    engine_.reset();
  }
  RunFor(Milliseconds(20));
  if (HasFailure()) {
    for (const std::string& line : story_) std::cerr << line << "\n";
  }
  std::filesystem::remove_all(directory_);
}

bool AgentBed::RunUntil(const std::function<bool()>& ready,
                        Milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    io_.restart();
    io_.run_one_for(Milliseconds(5));
  }
  return true;
}

void AgentBed::Play(std::function<asio::awaitable<void>()> script) {
  bool done = false;
  asio::co_spawn(io_, script, [&](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
    done = true;
  });
  ASSERT_TRUE(RunUntil([&] { return done; })) << "the script hangs";
}

size_t AgentBed::Outputs() const {
  std::ifstream file(directory_ + "/out");
  size_t count = 0;
  for (uint64_t number; file >> number;) ++count;
  return count;
}

fencing::VmRecord AgentBed::Record() {
  auto record = memory_->Read("vm1");
  return record.ok() && *record ? **record : fencing::VmRecord{};
}

void AgentBed::OnPrimaryState(State state, const std::string& why) {
  story_.push_back(std::string(Name(state)) + ": " + why);
}
void AgentBed::OnPrimaryEvent(const std::string& what) {
  story_.push_back("  " + what);
}

}  // namespace ft::primary
