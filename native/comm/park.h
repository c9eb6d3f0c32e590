// Sleeping on a 32-bit value. std::atomic::wait yields before it sleeps, which on a busy machine gives the core to a
// stranger for a whole time slice; a sleeper is woken in microseconds.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#endif

namespace stateline {

// Sleeps while `value` is `expected`; may return early.
inline void park(std::atomic<uint32_t>& value, uint32_t expected) {
#if defined(__linux__)
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&value), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
#else
  value.wait(expected);
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
