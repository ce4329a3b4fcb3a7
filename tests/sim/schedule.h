// SPDX-License-Identifier: GPL-2.0-or-later
//
// Schedule: simulated time and what happens in it. One step is one event.
// Events of equal time come in the order in which they were scheduled, so a
// run is a function of its seed.
//
// An event may belong to a process. If that has died meanwhile the event is
// dropped; if it is frozen (SIGSTOP, or its whole host) the event waits in
// the kernel until the process runs again: a timer fires late, a packet lies
// in the socket's buffer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

namespace ft::sim {

// Nanoseconds since the beginning of the run, by no host's clock.
using Time = int64_t;
constexpr Time kUs = 1000;
constexpr Time kMs = 1000 * kUs;
constexpr Time kSecond = 1000 * kMs;

struct Process {
  bool alive = false;
  uint32_t incarnation = 0;
  Time frozen_until = 0;

  void Start() {
    alive = true;
    frozen_until = 0;
    ++incarnation;
  }
};

// A callable of a few words, kept in place: no allocation per event.
class Callback {
 public:
  Callback() = default;
  template <typename F>
  Callback(F f) : call_(&Call<F>) {  // NOLINT
    static_assert(sizeof(F) <= sizeof(bytes_));
    static_assert(std::is_trivially_copyable_v<F>);
    new (bytes_) F(f);
  }
  void operator()() { call_(bytes_); }

 private:
  template <typename F>
  static void Call(void* bytes) {
    (*std::launder(static_cast<F*>(bytes)))();
  }
  void (*call_)(void*) = nullptr;
  alignas(8) std::byte bytes_[80];
};

class Schedule {
 public:
  Time now() const { return now_; }
  uint64_t steps() const { return steps_; }
  bool empty() const { return heap_.empty(); }
  Time next() const { return heap_.front().at; }

  void At(Time at, Callback callback) { Push(at, nullptr, callback); }
  void In(Time delay, Callback callback) { At(now_ + delay, callback); }
  void In(Process& process, Time delay, Callback callback) {
    Push(now_ + delay, &process, callback);
  }

  // Lets the next event happen. False if it was dropped or put off.
  bool Step() {
    std::pop_heap(heap_.begin(), heap_.end());
    const Key key = heap_.back();
    heap_.pop_back();
    Event& event = events_[key.slot];
    now_ = key.at;
    const Process* process = event.process;
    if (process != nullptr) {
      if (!process->alive || process->incarnation != event.incarnation) {
        free_.push_back(key.slot);
        return false;
      }
      if (process->frozen_until > now_) {
        heap_.push_back({process->frozen_until, ++sequence_, key.slot});
        std::push_heap(heap_.begin(), heap_.end());
        return false;
      }
    }
    Callback callback = event.callback;
    free_.push_back(key.slot);
    ++steps_;
    callback();
    return true;
  }

 private:
  struct Key {
    Time at;
    uint64_t sequence;
    uint32_t slot;
    // The heap's top is the earliest.
    bool operator<(const Key& other) const {
      return at != other.at ? at > other.at : sequence > other.sequence;
    }
  };
  struct Event {
    Process* process;
    uint32_t incarnation;
    Callback callback;
  };

  void Push(Time at, Process* process, const Callback& callback) {
    uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(events_.size());
      events_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    events_[slot] = {process, process ? process->incarnation : 0, callback};
    heap_.push_back({at, ++sequence_, slot});
    std::push_heap(heap_.begin(), heap_.end());
  }

  Time now_ = 0;
  uint64_t sequence_ = 0;
  uint64_t steps_ = 0;
  std::vector<Key> heap_;
  std::vector<Event> events_;
  std::vector<uint32_t> free_;
};

}  // namespace ft::sim
