// Sleeping on a 32-bit value. std::atomic::wait yields before it sleeps, which on a busy machine gives the core to a
// stranger for a whole time slice; a sleeper is woken in microseconds.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>
#else
#include <chrono>
#include <thread>
#endif

namespace stateline {

// Sleeps while `value` is `expected`, for at most `most_ns`; may return early.
inline void park(std::atomic<uint32_t>& value, uint32_t expected, int64_t most_ns) {
#if defined(__linux__)
  const timespec most{static_cast<time_t>(most_ns / 1'000'000'000), static_cast<long>(most_ns % 1'000'000'000)};
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&value), FUTEX_WAIT_PRIVATE, expected, &most, nullptr, 0);
#else
  if (value.load() == expected)
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min<int64_t>(most_ns, 100'000)));
#endif
}

inline void unpark_all(std::atomic<uint32_t>& value) {
#if defined(__linux__)
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&value), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
  value.notify_all();
#endif
}

}  // namespace stateline
