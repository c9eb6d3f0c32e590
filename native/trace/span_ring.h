// Spans on their way from one rank's thread to the thread that drains them: a bounded queue without locks, whose memory
// is touched when it is made, so that recording neither allocates nor faults. What does not fit is counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "trace/span.h"

namespace stateline {

class SpanRing {
 public:
  explicit SpanRing(size_t capacity) : spans_(capacity < 1 ? 1 : capacity) {}

  size_t capacity() const { return spans_.size(); }

  // Spans waiting to be drained; any thread.
  size_t size() const { return head_.load(std::memory_order_acquire) - tail_.load(std::memory_order_acquire); }

  // The rank's thread: `fill` completes a copy of `context` in place.
  template <class Fill>
  void push(const Span& context, Fill fill) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head - tail_seen_ == spans_.size()) [[unlikely]] {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head - tail_seen_ == spans_.size()) {
        lost_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
    }
    Span& span = spans_[next_];
    // The ring is larger than the caches: fetch the lines of a span to come, to write, while ops compute.
    __builtin_prefetch(reinterpret_cast<const char*>(&span) + kAhead, 1);
    span = context;
    fill(span);
    if (++next_ == spans_.size()) next_ = 0;
    head_.store(head + 1, std::memory_order_release);
  }

  // The draining thread: appends what has come to `out`. Returns how many spans were lost since the last call.
  size_t drain(std::vector<Span>& out) {
    const size_t head = head_.load(std::memory_order_acquire);
    const size_t tail = tail_.load(std::memory_order_relaxed);
    for (size_t i = tail; i != head; ++i) {
      out.push_back(spans_[drained_]);
      if (++drained_ == spans_.size()) drained_ = 0;
    }
    tail_.store(head, std::memory_order_release);
    return lost_.exchange(0, std::memory_order_relaxed);
  }

 private:
  static constexpr size_t kAhead = 8 * sizeof(Span);  // bytes; beyond the end it is only a wasted hint

  std::vector<Span> spans_;
  alignas(64) std::atomic<size_t> head_{0};  // spans ever pushed
  size_t next_ = 0;                          // head_ modulo capacity
  size_t tail_seen_ = 0;
  std::atomic<size_t> lost_{0};
  alignas(64) std::atomic<size_t> tail_{0};  // spans ever drained
  size_t drained_ = 0;
};

}  // namespace stateline
