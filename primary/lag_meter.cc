// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/lag_meter.h"

#include <algorithm>
#include <cmath>

namespace ft::primary {
namespace {

constexpr std::chrono::seconds kWindow{1};

double Milliseconds(LagMeter::Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

void LagMeter::OnSent(logchannel::LogPosition position, uint64_t bytes,
                      Time now) {
  Roll(now);
  log_bytes_ += bytes;
  current_.bytes += bytes;
  if (pending_.size() < kPendingMax) pending_.push_back({position, now});
}

void LagMeter::OnWire(uint64_t bytes, Time now) {
  wire_bytes_ += bytes;
  Roll(now);
  current_.wire += bytes;
}

void LagMeter::OnReplayed(logchannel::LogPosition position, Time now) {
  while (!pending_.empty() && pending_.front().position <= position) {
    const float lag = Milliseconds(now - pending_.front().sent);
    pending_.pop_front();
    if (measured_ms_.size() < kMeasuredMax) {
      measured_ms_.push_back(lag);
    } else {
      measured_ms_[next_measured_] = lag;
      next_measured_ = (next_measured_ + 1) % kMeasuredMax;
    }
  }
}

void LagMeter::BeginPercentiles() {
  measured_ms_.clear();
  next_measured_ = 0;
}

double LagMeter::current_ms(Time now) const {
  return pending_.empty() ? 0 : Milliseconds(now - pending_.front().sent);
}

double LagMeter::percentile_ms(double p) const {
  if (measured_ms_.empty()) return 0;
  std::vector<float> sorted = measured_ms_;
  const auto rank = static_cast<size_t>(std::ceil(p / 100 * sorted.size()));
  const size_t index = std::clamp<size_t>(rank, 1, sorted.size()) - 1;
  std::nth_element(sorted.begin(), sorted.begin() + index, sorted.end());
  return sorted[index];
}

void LagMeter::Roll(Time now) {
  if (now - current_.begin < kWindow) return;
  // A gap of more than a window: the one before was empty.
  previous_ = now - current_.begin < 2 * kWindow
                  ? current_
                  : Window{.begin = now - kWindow};
  current_ = {.begin = now};
}

double LagMeter::Rate(Time now, uint64_t Window::*what) const {
  if (current_.begin == Time{} || now - current_.begin > 2 * kWindow) return 0;
  const bool whole = previous_.begin != Time{};
  const Time begin = whole ? previous_.begin : current_.begin;
  const uint64_t bytes = current_.*what + (whole ? previous_.*what : 0);
  const double seconds =
      std::max(std::chrono::duration<double>(now - begin).count(), 0.1);
  return static_cast<double>(bytes) * 8 / 1e6 / seconds;
}

}  // namespace ft::primary
