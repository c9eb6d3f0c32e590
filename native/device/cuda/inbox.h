// Small inputs on their way from the host to the GPU: copied to pinned memory first, so that the host neither waits nor
// has to keep them.
#pragma once

#include <array>
#include <cstddef>

#include "device/cuda/memory.h"
#include "device/cuda/stream.h"

namespace stateline::cuda {

class Inbox {
 public:
  explicit Inbox(size_t most_bytes) : most_bytes_(most_bytes), memory_(kSlots * most_bytes) {}

  // Must have been reached before the next send(): the GPU has then read what lies in its slot.
  cudaEvent_t free() const { return read_[next_ % kSlots]; }
  // Of at most `most_bytes`.
  void send(void* to, const void* from, size_t bytes, cudaStream_t stream);

 private:
  static constexpr size_t kSlots = 8;

  size_t most_bytes_;
  PinnedMemory memory_;
  std::array<CudaEvent, kSlots> read_;
  size_t next_ = 0;
};

}  // namespace stateline::cuda
