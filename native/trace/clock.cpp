#include "trace/clock.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

namespace stateline {
namespace {

constexpr int64_t kAnchorDistanceNs = 10'000'000;
constexpr size_t kAnchorsKept = 64;
constexpr int kReadings = 20;

}  // namespace

TickSource::TickSource() {
#if defined(__x86_64__)
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string name;
  tsc_ = static_cast<bool>(file >> name) && name == "tsc";
#endif
}

Clock::Clock(TickSource source) : source_(source) { anchors_.push_back(read_together()); }

// The tightest of some brackets ticks–ns–ticks; half a bracket is the error.
Clock::Anchor Clock::read_together() const {
  Anchor best;
  uint64_t narrowest = std::numeric_limits<uint64_t>::max();
  for (int reading = 0; reading < kReadings; ++reading) {
    const uint64_t before = source_.now();
    const int64_t ns = monotonic_ns();
    const uint64_t after = source_.now();
    if (after - before < narrowest) {
      narrowest = after - before;
      best = {before + (after - before) / 2, ns};
    }
  }
  return best;
}

void Clock::synchronise() {
  if (!source_.is_tsc()) return;
  Anchor anchor = read_together();
  const int64_t distance = anchor.ns - anchors_.back().ns;
  if (distance < kAnchorDistanceNs) {
    if (anchors_.size() > 1) return;  // the rate is known, and so short a way is extrapolated well
    std::this_thread::sleep_for(std::chrono::nanoseconds(kAnchorDistanceNs - distance));
    anchor = read_together();
  }
  if (anchors_.size() == kAnchorsKept) anchors_.erase(anchors_.begin());
  anchors_.push_back(anchor);
}

int64_t Clock::to_ns(uint64_t ticks) const {
  if (ticks & kNanoseconds) return static_cast<int64_t>(ticks & ~kNanoseconds);
  if (!source_.is_tsc()) return static_cast<int64_t>(ticks);
  if (anchors_.size() < 2) return anchors_.front().ns;
  size_t last = anchors_.size() - 1;
  while (last > 1 && ticks < anchors_[last - 1].ticks) --last;
  const Anchor& a = anchors_[last - 1];
  const Anchor& b = anchors_[last];
  const double rate = static_cast<double>(b.ns - a.ns) / static_cast<double>(b.ticks - a.ticks);
  return a.ns + std::llround(static_cast<double>(static_cast<int64_t>(ticks - a.ticks)) * rate);
}

}  // namespace stateline
