#include "runtime/cuda/event_clock.h"

#include <cmath>
#include <limits>

#include "trace/clock.h"

namespace stateline::cuda {
namespace {

constexpr uint64_t kMoment = uint64_t{1} << 62;  // marks the index of an event; no tick counter gets so far
constexpr int kReadings = 20;
constexpr int64_t kAnchorNs = 2'000'000'000;

// Adds to `total` how long it lives.
class Spent {
 public:
  explicit Spent(int64_t& total) : total_(total) {}
  ~Spent() { total_ += monotonic_ns() - begin_; }
  Spent(const Spent&) = delete;

 private:
  int64_t& total_;
  int64_t begin_ = monotonic_ns();
};

int64_t elapsed_ns(cudaEvent_t begin, cudaEvent_t end) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin, end), "reading events");
  return std::llround(static_cast<double>(milliseconds) * 1e6);
}

}  // namespace

void EventClock::begin_step() {
  used_ = 0;
  if (anchor_ns_ == 0 || monotonic_ns() - anchor_ns_ > kAnchorNs) anchor();
}

// The tightest of some brackets; half of it is the error.
void EventClock::anchor() {
  device_.wait(device_.compute());
  const Spent spent(spent_ns_);
  int64_t narrowest = std::numeric_limits<int64_t>::max();
  CudaEvent best(cudaEventDefault);
  for (int reading = 0; reading < kReadings; ++reading) {
    CudaEvent event(cudaEventDefault);
    const int64_t before = monotonic_ns();
    event.record(device_.compute());
    device_.wait(device_.compute());
    const int64_t after = monotonic_ns();
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    anchor_ns_ = before + narrowest / 2;
    best.swap(event);
  }
  anchor_.swap(best);
  error_ns_ = (narrowest + 1) / 2;
}

uint64_t EventClock::stamp(Stream stream) {
  const Spent spent(spent_ns_);
  if (used_ == events_.size()) events_.emplace_back(cudaEventDefault);
  events_[used_].record(stream == Stream::communication ? device_.communication() : device_.compute());
  return kMoment | used_++;
}

void EventClock::resolve(std::vector<Span>& spans) {
  device_.wait(device_.communication());
  device_.wait(device_.compute());
  const Spent spent(spent_ns_);
  for (Span& span : spans) resolve(span);
  spans_ += static_cast<int64_t>(spans.size());
}

void EventClock::resolve(Span& span) const {
  const auto is_moment = [](uint64_t time) { return (time & kMoment) != 0; };
  const auto event = [&](uint64_t time) -> cudaEvent_t { return events_[time & ~kMoment]; };
  if (!is_moment(span.begin)) return;  // the host's
  const int64_t begin = anchor_ns_ + elapsed_ns(anchor_, event(span.begin));
  if (is_moment(span.end)) span.end = Clock::nanoseconds(begin + elapsed_ns(event(span.begin), event(span.end)));
  span.begin = Clock::nanoseconds(begin);
}

}  // namespace stateline::cuda
