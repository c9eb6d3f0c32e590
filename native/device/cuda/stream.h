// Streams and events as owners.
#pragma once

#include <cuda_runtime_api.h>

#include <utility>

#include "device/cuda/check.h"

namespace stateline::cuda {

class CudaStream {
 public:
  // Lower goes first; 0 is the usual.
  explicit CudaStream(int priority = 0) {
    check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, priority), "a stream");
  }
  ~CudaStream() { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// A moment on a stream.
class CudaEvent {
 public:
  explicit CudaEvent(unsigned int flags = cudaEventDisableTiming) {
    check(cudaEventCreateWithFlags(&event_, flags), "an event");
  }
  CudaEvent(CudaEvent&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  ~CudaEvent() {
    if (event_) cudaEventDestroy(event_);
  }
  CudaEvent& operator=(const CudaEvent&) = delete;
  void swap(CudaEvent& other) noexcept { std::swap(event_, other.event_); }

  operator cudaEvent_t() const { return event_; }
  void record(cudaStream_t stream) const { check(cudaEventRecord(event_, stream), "recording an event"); }
  // What is put on `stream` from now on comes after this moment.
  void hold(cudaStream_t stream) const { check(cudaStreamWaitEvent(stream, event_, 0), "waiting for an event"); }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace stateline::cuda
