// Words of GPUs' memory, read past streams that wait: how far each rank has come.
#pragma once

#include <cstdint>
#include <vector>

#include "device/cuda/memory.h"
#include "device/cuda/stream.h"

namespace stateline::cuda {

class Arrivals {
 public:
  // `count`: of one read, at most.
  explicit Arrivals(size_t count) : host_(count * sizeof(uint32_t)) {}

  // `count` words at each place, one after the other; empty where the GPUs do not answer. Throws nothing and
  // leaves CUDA no error to report.
  std::vector<uint32_t> read(const std::vector<const uint32_t*>& places, size_t count);

 private:
  cudaError_t fetch(const std::vector<const uint32_t*>& places, size_t count);

  CudaStream stream_;
  PinnedMemory host_;
};

}  // namespace stateline::cuda
