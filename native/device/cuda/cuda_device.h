// One rank's part of a GPU: a stream that computes, a stream for what travels to other ranks, and the op table as
// kernels. The thread that makes it is the one that uses it.
#pragma once

#include <memory>

#include "device/cuda/stream.h"
#include "device/device.h"

namespace stateline {

struct CudaDeviceOptions {
  int rank = 0;                  // for messages
  int gpu = 0;                   // ordinal
  int64_t max_tokens = 0;        // longest step
  int64_t timeout_ms = 600'000;  // that the host waits for a step
};

class CudaDevice : public Device {
 public:
  virtual int gpu() const = 0;
  virtual cudaStream_t compute() const = 0;
  virtual cudaStream_t communication() const = 0;
};

// Throws E_CUDA, E_CUBLAS and E_DEVICE_MEMORY.
std::unique_ptr<CudaDevice> make_cuda_device(const CudaDeviceOptions& options);

}  // namespace stateline
