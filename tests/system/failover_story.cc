// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/failover_story.h"

#include <algorithm>
#include <optional>
#include <thread>

namespace ft::bed {
namespace json = boost::json;

namespace {

struct NamedFault {
  Fault fault;
  const char* name;
  const char* deed;
};

constexpr NamedFault kFaults[] = {
    {Fault::kEngine, "qemu", "the engine is killed"},
    {Fault::kFtd, "ftd", "ftd is killed"},
    {Fault::kHost, "host", "ftd and engine are killed"},
    {Fault::kLink, "link", "every cable is pulled"},
    {Fault::kPlanned, "planned", "ftctl failover vm1"},
};

const NamedFault& Named(Fault fault) {
  return *std::ranges::find(kFaults, fault, &NamedFault::fault);
}

// The client must be served again within this; far beyond any promise, so
// that a late failover is told from none at all.
constexpr milliseconds kServedAgain{30000};

// From a start to Redis, and from its end to the machine's: seconds.
constexpr milliseconds kBootsWithin{60000};
constexpr milliseconds kSwitchesOffWithin{30000};

json::object AsObject(const json::value& value) {
  return value.is_object() ? value.as_object() : json::object();
}

double Number(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  json::error_code error;
  const double number = value ? value->to_number<double>(error) : 0;
  return error ? 0 : number;
}

std::string Text(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->as_string()) : "";
}

// "fenced (test-and-set for epoch 2 is held by hostB)"
std::string Because(const json::object& vm) {
  return Text(vm, "reason") + " (" + Text(vm, "why") + ")";
}

// One telling of the story; the methods are its chapters, in order.
class Teller {
 public:
  Teller(TestBed& bed, const StoryOptions& options)
      : bed_(bed), options_(options) {
    if (options.disk != DiskKind::kNone) disk_.emplace(bed, options.disk);
  }

  StoryResult Tell() {
    SetTheStage();
    Protect();
    WorkFor(options_.before, "writes under protection");
    LookBefore();
    Strike();
    AwaitService();
    WorkFor(options_.after, "writes after the failover");
    LookAfter();
    BringBack();
    ReadBack();
    Judge();
    if (disk_) {
      CutPower();
      ReadFromDisk();
      SwitchOff();
    }
    JudgeGuest();
    return std::move(result_);
  }

 private:
  void Step(const std::string& who, const std::string& what) {
    if (options_.narrate) {
      options_.narrate(who, what, MillisecondsSince(step_began_));
    }
    step_began_ = Clock::now();
  }

  void Promise(bool kept, const std::string& line) {
    if (!kept) result_.broken.push_back(line);
  }

  void SetTheStage() {
    VmOptions vm;
    if (disk_) {
      disk_->Prepare();
      Step("storage", disk_->Describe());
      vm = disk_->Vm();
    }
    vm.memory_mib = options_.memory_mib;
    bed_.StartHosts();
    Step("hosts", "ftd runs on hostA and hostB");
    bed_.StartVm(bed_.a(), vm);
    Step("hostA", "vm1 runs, its Redis answers");
    WriterOptions writer;
    writer.depth = options_.depth;
    writer.probe = options_.probe;
    writer.idle_connections = options_.idle_connections;
    writer.reply_deadline = kServedAgain;
    writer_ = bed_.StartWriter(writer);
    if (!writer_->WaitForMore(100, milliseconds(10000))) {
      throw BedError("the guest does not acknowledge writes");
    }
    Step("client", "writes on one connection");
  }

  void Protect() {
    bed_.a().FtctlOrThrow({"enable", kVm, "--backup", "hostB"},
                          options_.protect_within);
    Step("hostA", "ftctl enable vm1 --backup hostB: protected, under load");
  }

  void WorkFor(milliseconds time, const std::string& what) {
    const uint64_t before = writer_->Acknowledged();
    std::this_thread::sleep_for(time);
    const uint64_t after = writer_->Acknowledged();
    Step("client", std::to_string(after - before) + " " + what);
    Promise(after > before, "no write was acknowledged: " + what);
  }

  void LookBefore() {
    result_.before = AsObject(bed_.a().Status(kVm));
    for (const EngineFacts& engine : bed_.a().Engines()) {
      result_.engine = engine.engine_build;
    }
    Promise(Text(result_.before, "state") == "protected",
            "before the fault vm1 is " + Text(result_.before, "state") +
                " on hostA, not protected: " + Because(result_.before));
    step_began_ = Clock::now();
  }

  void Strike() {
    writer_->MarkFault();
    switch (options_.fault) {
      case Fault::kEngine:
        if (!bed_.a().KillEngine(kVm)) throw BedError("hostA has no engine");
        break;
      case Fault::kFtd:
        bed_.a().KillFtd();
        break;
      case Fault::kHost:
        bed_.a().KillBoth(kVm);
        break;
      case Fault::kLink:
        bed_.Isolate(Side::kA);
        break;
      case Fault::kPlanned: {
        const FtctlResult failover = bed_.a().Ftctl({"failover", kVm});
        Promise(failover.ok(), "ftctl failover failed: " + failover.err);
        break;
      }
    }
    Step("hostA", Named(options_.fault).deed);
  }

  void AwaitService() {
    // More than can have been on its way when the fault came.
    const bool served = writer_->WaitForMore(options_.depth + 3, kServedAgain);
    Step("hostB",
         served ? "the client is served again" : "the client is not served");
    Promise(served, "30 s after the fault no write is acknowledged");
  }

  // Every engine there is, for the one who has to find out.
  std::string Sides() {
    std::string text;
    for (Host* host : {&bed_.a(), &bed_.b()}) {
      for (const EngineFacts& engine :
           host->WatchedEngines(milliseconds(1000))) {
        text += "; " + host->name() + ": engine " + std::to_string(engine.pid) +
                (engine.recording ? " records" : " replays") +
                (engine.advancing ? "" : ", stands still") +
                (engine.holding ? ", holds outputs" : "");
      }
    }
    return text;
  }

  void LookAfter() {
    result_.after = AsObject(bed_.b().Status(kVm));
    result_.live_sides = bed_.LiveSides();
    Step("bed", std::to_string(result_.live_sides) + " live side(s)");
    Promise(result_.live_sides == 1, std::to_string(result_.live_sides) +
                                         " live sides instead of 1" + Sides());
    Promise(Text(result_.after, "role") == "primary",
            "after the fault hostB's role is " + Text(result_.after, "role") +
                ", state " + Text(result_.after, "state") + ": " +
                Because(result_.after));
    Promise(
        Number(result_.after, "epoch") == Number(result_.before, "epoch") + 1,
        "the epoch did not grow by one");
  }

  // What was not dead comes back, finds that the VM is run elsewhere, and
  // must let go of it.
  void BringBack() {
    if (options_.fault == Fault::kFtd || options_.fault == Fault::kHost) {
      bed_.a().StartFtd();
    }
    if (options_.fault == Fault::kLink) bed_.RestoreLinks();
    json::object a;
    const bool let_go = Eventually(milliseconds(8000), [&] {
      a = AsObject(bed_.a().Status(kVm));
      return bed_.a().Engines().empty() && Text(a, "role") == "none";
    });
    Step("hostA", "is back: " + Text(a, "state") + ", " + Because(a));
    Promise(let_go, "hostA came back and did not let go of vm1: role " +
                        Text(a, "role") + ", " +
                        std::to_string(bed_.a().Engines().size()) +
                        " engine(s)");
  }

  void ReadBack() {
    result_.writer = writer_->Finish();
    Step("client", "read back " +
                       std::to_string(result_.writer.acknowledged_writes) +
                       " writes on the same connection");
  }

  void Judge() {
    const WriterReport& writer = result_.writer;
    Promise(writer.connection_survived,
            "the connection did not survive: " + writer.error);
    Promise(writer.read_back, "the writes could not be read back");
    Promise(writer.lost_writes == 0, std::to_string(writer.lost_writes) +
                                         " acknowledged writes are lost");
    Promise(writer.wrong_values == 0,
            std::to_string(writer.wrong_values) + " values are wrong");
    Promise(writer.acknowledged_writes > options_.writes_min,
            "only " + std::to_string(writer.acknowledged_writes) +
                " writes were acknowledged, " +
                std::to_string(options_.writes_min) +
                " are too few to prove anything");
    Promise(writer.connections_survived == writer.connections,
            "of " + std::to_string(writer.connections) + " connections only " +
                std::to_string(writer.connections_survived) + " survived");
    Promise(!options_.probe || writer.probes_lost < writer.probes_sent,
            "the guest answered no ping at all");
  }

  // The console of a host where the VM is started again begins anew.
  void JudgeGuest() {
    for (const Host* host : {&bed_.a(), &bed_.b()}) {
      const std::string panic = host->GuestPanic(kVm);
      Promise(panic.empty(), "the guest panicked on " + host->name() + ": " +
                                 panic.substr(0, panic.find('\n')));
    }
  }

  // What the guest had in memory only is gone; the disk has to do.
  void CutPower() {
    JudgeGuest();
    Host& b = bed_.b();
    b.KillBoth(kVm);
    Eventually(milliseconds(5000), [&] { return b.Engines().empty(); });
    b.StartFtd();
    FtctlResult start;
    // It may still be finding out how it was left.
    Eventually(milliseconds(10000), [&] {
      start = b.Ftctl({"start", kVm});
      return start.ok();
    });
    const bool serves =
        start.ok() && bed_.WaitForRedis(kBootsWithin, kGuestAddress);
    Step("hostB", serves ? "loses its power too; vm1 is started from its disk"
                         : "loses its power too; vm1 does not start again");
    Promise(start.ok(), "vm1 cannot be started from its disk: " + start.err);
    Promise(serves || !start.ok(),
            "vm1 was started from its disk, its Redis does not answer");
    restarted_ = serves;
  }

  void ReadFromDisk() {
    if (!restarted_) return;
    WriterReport& report = result_.from_disk;
    report = bed_.ReadAgain(result_.writer.acknowledged_writes);
    Step("client", "read back " + std::to_string(report.acknowledged_writes) +
                       " writes that were on the disk");
    Promise(report.read_back,
            "the disk's writes could not be read back: " + report.error);
    Promise(report.lost_writes == 0,
            std::to_string(report.lost_writes) +
                " acknowledged writes are not on the disk");
    Promise(report.wrong_values == 0, std::to_string(report.wrong_values) +
                                          " values on the disk are wrong");
  }

  void SwitchOff() {
    if (!restarted_) return;
    // No answer is its success.
    Run(Network::Inside(bed_.network().ClientNamespace(),
                        {"redis-cli", "-h", kGuestAddress, "shutdown"}));
    const bool off = Eventually(kSwitchesOffWithin,
                                [&] { return bed_.b().Engines().empty(); });
    Promise(off, "the guest did not switch itself off");
    if (!off) return;
    // With -n nothing is repaired, nor is the journal replayed.
    const CommandResult fsck =
        Run({"e2fsck", "-fn", disk_->ImageOfB()}, {.timeout = kBootsWithin});
    result_.file_system_clean = fsck.ok();
    Step("guest", std::string("switches itself off; its file system is ") +
                      (fsck.ok() ? "clean" : "not clean"));
    Promise(fsck.ok(), "e2fsck: " + fsck.out + fsck.err);
  }

  TestBed& bed_;
  const StoryOptions& options_;
  std::optional<StoryDisk> disk_;
  StoryResult result_;
  bool restarted_ = false;
  std::unique_ptr<WriterProcess> writer_;
  Clock::time_point step_began_ = Clock::now();
};

}  // namespace

Fault FaultFromName(const std::string& name) {
  for (const NamedFault& named : kFaults) {
    if (named.name == name) return named.fault;
  }
  throw BedError("\"" + name +
                 "\" is no fault; qemu, ftd, host, link and planned are");
}

std::string FaultName(Fault fault) { return Named(fault).name; }

json::object StoryResult::ToJson(const StoryOptions& options) const {
  const json::object failover = after.contains("failover")
                                    ? AsObject(after.at("failover"))
                                    : json::object();
  json::object out;
  out["fault"] = FaultName(options.fault);
  out["engine"] = engine;
  out["memory_mib"] = options.memory_mib;
  out["disk"] = DiskKindName(options.disk);
  if (options.disk != DiskKind::kNone) {
    out["writes_on_disk"] =
        from_disk.acknowledged_writes - from_disk.lost_writes;
    out["lost_on_disk"] = from_disk.lost_writes;
    out["wrong_on_disk"] = from_disk.wrong_values;
    out["file_system_clean"] = file_system_clean;
  }
  out["acknowledged_writes"] = writer.acknowledged_writes;
  out["lost_writes"] = writer.lost_writes;
  out["wrong_values"] = writer.wrong_values;
  out["connection_survived"] = writer.connection_survived;
  out["live_sides"] = live_sides;
  out["connections"] = writer.connections;
  out["connections_survived"] = writer.connections_survived;
  out["blackout_ms"] =
      std::max(writer.blackout_writer_ms, writer.blackout_probe_ms);
  out["blackout_writer_ms"] = writer.blackout_writer_ms;
  out["blackout_probe_ms"] = writer.blackout_probe_ms;
  out["probes_sent"] = writer.probes_sent;
  out["probes_lost"] = writer.probes_lost;
  out["probes_doubled"] = writer.probes_doubled;
  out["probe_pause_ms"] = writer.probe_pause_ms;
  out["longest_gap_before_ms"] = writer.longest_gap_before_ms;
  for (const char* key : {"detect_ms", "test_and_set_ms", "drain_ms"}) {
    out[key] = Number(failover, key);
  }
  out["failover_total_ms"] = Number(failover, "total_ms");
  for (const char* key : {"clone_pause_ms", "clone_total_ms", "log_mbit_per_s",
                          "output_delay_us_p50", "output_delay_us_p99",
                          "execution_lag_ms_p50", "execution_lag_ms_p99"}) {
    out[key] = Number(before, key);
  }
  out["epoch"] = static_cast<int64_t>(Number(after, "epoch"));
  out["writes_per_s"] = writer.writes_per_s;
  out["latency_us_p50"] = writer.latency_p50_us;
  out["latency_us_p99"] = writer.latency_p99_us;
  out["latency_after_us_p50"] = writer.latency_after_p50_us;
  out["latency_after_us_p99"] = writer.latency_after_p99_us;
  json::array broken_lines(broken.begin(), broken.end());
  out["broken_promises"] = std::move(broken_lines);
  return out;
}

StoryResult TellFailover(TestBed& bed, const StoryOptions& options) {
  return Teller(bed, options).Tell();
}

}  // namespace ft::bed
