// The clock of every span: ticks that cost a few nanoseconds to read, turned into CLOCK_MONOTONIC when drained.
//
// Where the kernel itself keeps time by the TSC (clocksource "tsc": invariant and in step on all cores), ticks are the
// TSC; elsewhere they are nanoseconds of CLOCK_MONOTONIC, which is also the clock of Node's process.hrtime.
#pragma once

#include <time.h>

#include <cstdint>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace stateline {

// Nanoseconds of the host's monotonic clock.
inline int64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Decides how ticks are read. Cheap to copy: each recorder has its own.
class TickSource {
 public:
  TickSource();

  uint64_t now() const {
#if defined(__x86_64__)
    if (tsc_) return __rdtsc();
#endif
    return static_cast<uint64_t>(monotonic_ns());
  }
  bool is_tsc() const { return tsc_; }

 private:
  bool tsc_ = false;
};

// Maps ticks to nanoseconds through anchors, moments at which both clocks were read together. NTP bends CLOCK_MONOTONIC
// by up to 500 ppm, so times are interpolated between neighbouring anchors instead of by one rate for the whole run.
// Not thread-safe.
class Clock {
 public:
  explicit Clock(TickSource source = {});

  // Takes a new anchor, so that everything recorded until now lies between two. Waits up to 10 ms after the first one:
  // a shorter distance would not give the rate.
  void synchronise();
  int64_t to_ns(uint64_t ticks) const;
  // A time that is no reading of ticks but of the monotonic clock already; no counter reaches its highest bit.
  static uint64_t nanoseconds(int64_t ns) { return static_cast<uint64_t>(ns) | kNanoseconds; }

 private:
  static constexpr uint64_t kNanoseconds = uint64_t{1} << 63;

  struct Anchor {
    uint64_t ticks = 0;
    int64_t ns = 0;
  };
  Anchor read_together() const;

  TickSource source_;
  std::vector<Anchor> anchors_;  // oldest first
};

}  // namespace stateline
