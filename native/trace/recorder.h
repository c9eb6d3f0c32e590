// One rank's recorder. The rank's thread writes spans during a step; any other thread switches and drains.
//
// An op's span begins where the one before it ended (the mark), so an op costs one reading of the clock and one store
// of 80 bytes; with recording off it costs one branch.
#pragma once

#include <atomic>
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

// Whom a span belongs to; -1: nobody, or several.
struct Served {
  int32_t cell = -1;
  int32_t request = -1;
};

// What a step's spans share.
struct StepLabel {
  int32_t tokens = 0;
  int32_t sequences = 0;
  int32_t cell = -1;
  int32_t request = -1;
  Phase phase = Phase::prefill;
};

// Moments on a device's streams, which are known only once the device has passed them.
class DeviceClock {
 public:
  virtual ~DeviceClock() = default;
  // Before a step's first moment: those of the step before are forgotten.
  virtual void begin_step() = 0;
  // A name for the moment at which the stream will have done all that was put on it so far.
  virtual uint64_t stamp(Stream stream) = 0;
  // Waits for the step's moments, and replaces their names by times (Clock::nanoseconds); other times stay.
  virtual void resolve(std::vector<Span>& spans) = 0;
  // How far its times may be from the host's clock.
  virtual int64_t error_ns() const = 0;
  // Nanoseconds of the host that this has taken so far, but for waiting until a step's moments are there: for each
  // span, on average.
  virtual double span_cost_ns() const = 0;
};

class Recorder {
 public:
  explicit Recorder(TickSource source = {}) : source_(source) {}

  // --- any thread ---
  // Makes room for `capacity` spans; steps that record write there from their next begin on.
  void open(size_t capacity);
  // Steps record no longer; what is there can still be drained, then its memory is freed.
  void close();
  // Spans on the compute and communication streams are timed by `clock` from the next step on; null: by the host.
  void time_by(DeviceClock* clock) { clock_ = clock; }
  // How far the times of the device's streams may be from the host's clock; -1: the host stamps.
  int64_t clock_error_ns() const { return clock_error_ns_.load(std::memory_order_relaxed); }
  // Nanoseconds of the host that the device's clock has cost so far for each span.
  double clock_cost_ns() const { return clock_cost_ns_.load(std::memory_order_relaxed); }
  // Appends the spans since the last call, times in ticks. Returns how many were lost.
  size_t drain(std::vector<Span>& out);
  // Spans that wait in the open buffer.
  size_t buffered();

  // --- the rank's thread ---
  // `record`: as all ranks agreed for this step. The step ordinal counts from where recording was switched on.
  void begin_step(bool record, const StepLabel& label);
  void end_step();
  // A step that failed: what its device has not timed is lost.
  void drop_step();
  bool on() const { return ring_ != nullptr; }
  void set_layer(int layer) { context_.layer = static_cast<int16_t>(layer); }

  // The latest moment that a span ended at, 0 when off.
  uint64_t last_mark() const { return mark_; }
  uint64_t mark(Stream stream = Stream::compute) {
    if (on()) mark_ = stamp(stream);
    return mark_;
  }
  // A moment that begins or ends no op of the compute stream.
  uint64_t stamp(Stream stream) {
    if (!on()) return 0;
    return clock_ && stream != Stream::host ? clock_->stamp(stream) : source_.now();
  }

  // An op on the compute stream, from the mark to now. `work` is only called when recording.
  template <class WorkOf>
  void op(Op op, WorkOf work) {
    if (!on()) [[likely]]
      return;
    const uint64_t begin = mark_;
    const Work done = work();
    add(op, Stream::compute, begin, mark(), [&](Span& span) {
      span.flops = done.flops;
      span.bytes = done.bytes;
    });
  }

  // Any span; only when on().
  template <class Fill>
  void add(Op op, Stream stream, uint64_t begin, uint64_t end, Fill fill) {
    const auto complete = [&](Span& span) {
      span.begin = begin;
      span.end = end;
      span.op = op;
      span.stream = stream;
      fill(span);
    };
    if (clock_) {
      complete(unresolved_.emplace_back(context_));
    } else {
      ring_->push(context_, complete);
    }
  }

 private:
  TickSource source_;
  DeviceClock* clock_ = nullptr;
  std::atomic<int64_t> clock_error_ns_{-1};
  std::atomic<double> clock_cost_ns_{0};
  std::vector<Span> unresolved_;  // of the running step, when a device's clock times it
  SpanRing* ring_ = nullptr;      // of the running step, null when it does not record
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
