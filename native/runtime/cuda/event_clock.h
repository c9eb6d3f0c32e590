// Times of a GPU's streams: an event a moment, from a pool, against an anchor event that two readings of the host's
// clock bracket. Elapsed times are float32 milliseconds, so the anchor is renewed every few seconds, and a span's
// length comes from its own pair of events.
#pragma once

#include <deque>

#include "device/cuda/cuda_device.h"
#include "trace/recorder.h"

namespace stateline::cuda {

class EventClock final : public DeviceClock {
 public:
  explicit EventClock(CudaDevice& device) : device_(device) {}

  void begin_step() override;
  uint64_t stamp(Stream stream) override;
  void resolve(std::vector<Span>& spans) override;
  int64_t error_ns() const override { return error_ns_; }
  double span_cost_ns() const override { return spans_ == 0 ? 0 : static_cast<double>(spent_ns_) / spans_; }

 private:
  void anchor();
  void resolve(Span& span) const;

  CudaDevice& device_;
  CudaEvent anchor_{cudaEventDefault};
  int64_t anchor_ns_ = 0;  // 0: none yet
  int64_t error_ns_ = 0;
  int64_t spent_ns_ = 0;  // by the host
  int64_t spans_ = 0;     // resolved
  std::deque<CudaEvent> events_;
  size_t used_ = 0;  // of them, in this step
};

}  // namespace stateline::cuda
