// One rank's recorder. The rank's thread writes spans during a step; any other thread switches and drains.
//
// An op's span begins where the one before it ended (the mark), so an op costs one reading of the clock and one store
// of 80 bytes; with recording off it costs one branch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "trace/clock.h"
#include "trace/span.h"
#include "trace/span_ring.h"

namespace stateline {

// What an op did, computed from shapes.
struct Work {
  int64_t flops = 0;
  int64_t bytes = 0;

  Work& operator+=(const Work& more) {
    flops += more.flops;
    bytes += more.bytes;
    return *this;
  }
};

// Whom a step's spans belong to.
struct StepLabel {
  int32_t tokens = 0;
  int32_t sequences = 0;
  int32_t cell = -1;
  int32_t request = -1;
  Phase phase = Phase::prefill;
};

class Recorder {
 public:
  explicit Recorder(TickSource source = {}) : source_(source) {}

  // --- any thread ---
  // Makes room for `capacity` spans; steps that record write there from their next begin on.
  void open(size_t capacity);
  // Steps record no longer; what is there can still be drained, then its memory is freed.
  void close();
  // Appends the spans since the last call, times in ticks. Returns how many were lost.
  size_t drain(std::vector<Span>& out);
  // Spans that wait in the open buffer.
  size_t buffered();

  // --- the rank's thread ---
  // `record`: as all ranks agreed for this step. The step ordinal counts from where recording was switched on.
  void begin_step(bool record, const StepLabel& label);
  void end_step();
  bool on() const { return ring_ != nullptr; }
  void set_layer(int layer) { context_.layer = static_cast<int16_t>(layer); }

  // The latest moment that a span ended at, 0 when off.
  uint64_t last_mark() const { return mark_; }
  uint64_t mark() {
    if (on()) mark_ = source_.now();
    return mark_;
  }

  // An op on the compute stream, from the mark to now. `work` is only called when recording.
  template <class WorkOf>
  void op(Op op, WorkOf work, Stream stream = Stream::compute) {
    if (!on()) [[likely]]
      return;
    const uint64_t begin = mark_;
    const Work done = work();
    add(op, stream, begin, mark(), [&](Span& span) {
      span.flops = done.flops;
      span.bytes = done.bytes;
    });
  }

  // Any span; only when on().
  template <class Fill>
  void add(Op op, Stream stream, uint64_t begin, uint64_t end, Fill fill) {
    ring_->push(context_, [&](Span& span) {
      span.begin = begin;
      span.end = end;
      span.op = op;
      span.stream = stream;
      fill(span);
    });
  }

 private:
  TickSource source_;
  SpanRing* ring_ = nullptr;  // of the running step, null when it does not record
  uint64_t mark_ = 0;
  uint64_t step_begin_ = 0;
  Span context_;  // what all spans of the step share
  int32_t next_step_ = 0;

  std::mutex mutex_;  // of what follows
  std::shared_ptr<SpanRing> open_;
  std::vector<std::shared_ptr<SpanRing>> closed_;  // until drained and left by the rank's thread
  std::shared_ptr<SpanRing> held_;                 // keeps ring_ alive while a step runs
};

// Nanoseconds that recording one op costs on this machine, clock reading included.
double measure_span_cost();

}  // namespace stateline
