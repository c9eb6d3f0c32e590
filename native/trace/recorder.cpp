#include "trace/recorder.h"

#include <algorithm>
#include <array>

namespace stateline {

void Recorder::open(size_t capacity) {
  auto ring = std::make_shared<SpanRing>(capacity);  // outside the lock: touching it takes milliseconds
  std::lock_guard lock(mutex_);
  if (open_ && open_->capacity() == ring->capacity()) return;
  if (open_) closed_.push_back(std::move(open_));
  open_ = std::move(ring);
}

void Recorder::close() {
  std::lock_guard lock(mutex_);
  if (open_) closed_.push_back(std::move(open_));
  open_ = nullptr;
}

size_t Recorder::drain(std::vector<Span>& out) {
  std::lock_guard lock(mutex_);
  size_t lost = 0;
  for (const auto& ring : closed_) lost += ring->drain(out);
  if (open_) lost += open_->drain(out);
  std::erase_if(closed_, [&](const auto& ring) { return ring != held_; });
  return lost;
}

size_t Recorder::buffered() {
  std::lock_guard lock(mutex_);
  return open_ ? open_->size() : 0;
}

void Recorder::begin_step(bool record, const StepLabel& label) {
  if (!record) {
    next_step_ = 0;
    return;
  }
  {
    std::lock_guard lock(mutex_);
    held_ = open_;
  }
  ring_ = held_.get();
  context_ = Span{};
  context_.step = next_step_++;
  context_.tokens = label.tokens;
  context_.sequences = label.sequences;
  context_.cell = label.cell;
  context_.request = label.request;
  context_.phase = label.phase;
  if (clock_) {
    clock_->begin_step();
    clock_error_ns_ = clock_->error_ns();
  }
  step_begin_ = stamp(Stream::host);
  mark();
}

void Recorder::end_step() {
  if (!on()) return;
  context_.layer = -1;
  add(Op::step, Stream::host, step_begin_, stamp(Stream::host), [](Span&) {});
  if (clock_) {
    clock_->resolve(unresolved_);
    clock_cost_ns_ = clock_->span_cost_ns();
    for (const Span& span : unresolved_) ring_->push(span, [](Span&) {});
  }
  drop_step();
}

void Recorder::drop_step() {
  if (!on()) return;
  unresolved_.clear();
  ring_ = nullptr;
  std::lock_guard lock(mutex_);
  held_ = nullptr;
}

double measure_span_cost() {
  constexpr int kSteps = 20;
  constexpr int kOps = 2000;
  Recorder recorder;
  recorder.open(kOps + 1);
  std::vector<Span> drained;
  drained.reserve(kOps + 1);
  std::array<double, kSteps> costs{};
  for (int step = 0; step < kSteps; ++step) {
    recorder.begin_step(true, {});
    const int64_t begin = monotonic_ns();
    for (int i = 0; i < kOps; ++i) recorder.op(Op::norm, [i] { return Work{i, i}; });
    const int64_t end = monotonic_ns();
    recorder.end_step();
    drained.clear();
    recorder.drain(drained);
    costs[step] = static_cast<double>(end - begin) / kOps;
  }
  std::nth_element(costs.begin(), costs.begin() + kSteps / 2, costs.end());
  return costs[kSteps / 2];
}

}  // namespace stateline
