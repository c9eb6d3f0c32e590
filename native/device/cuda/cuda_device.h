// One rank's part of a GPU: a stream that computes, a stream for what travels to other ranks, and the op table as
// kernels. The thread that makes it is the one that uses it.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "device/cuda/stream.h"
#include "device/device.h"

namespace stateline {

struct CudaDeviceOptions {
  int rank = 0;                  // for messages
  int gpu = 0;                   // ordinal
  int64_t max_tokens = 0;        // longest step
  int64_t timeout_ms = 600'000;  // that the host waits for a step
};

// What stands on a device's streams and waits there for other ranks.
class WaitsForRanks {
 public:
  // While the device goes on: throws where it waits in vain, since another rank or what connects them has failed.
  virtual void check_ranks() = 0;
  // It has not ended in time: throws E_COLLECTIVE_TIMEOUT where ranks are missing, and names them.
  virtual void find_missing() = 0;

 protected:
  ~WaitsForRanks() = default;
};

class CudaDevice : public Device {
 public:
  // Ranks that fill one graph put their ops there one at a time; who waits for others gives way.
  class Turn {
   public:
    Turn(CudaDevice& device, std::mutex& mutex) : device_(device), lock_(mutex) { device.turn_ = this; }
    ~Turn() { device_.turn_ = nullptr; }
    Turn(const Turn&) = delete;

   private:
    friend class CudaDevice;
    CudaDevice& device_;
    std::unique_lock<std::mutex> lock_;
  };

  // Calls wait(), which waits for other ranks.
  template <class Wait>
  void give_way(Wait wait) {
    if (turn_) turn_->lock_.unlock();
    wait();
    if (turn_) turn_->lock_.lock();
  }

  virtual int gpu() const = 0;
  virtual cudaStream_t compute() const = 0;
  virtual cudaStream_t communication() const = 0;

  // Returns when the stream has done all. Throws E_CUDA and what check_ranks() throws, and after the device's time-out
  // E_COLLECTIVE_TIMEOUT where a rank is missing, else E_CUDA_TIMEOUT: CUDA's own waits have no end.
  virtual void wait(cudaStream_t stream) = 0;
  void add(WaitsForRanks& waits) { waits_.push_back(&waits); }
  void remove(WaitsForRanks& waits) { std::erase(waits_, &waits); }

 protected:
  std::vector<WaitsForRanks*> waits_;

 private:
  Turn* turn_ = nullptr;  // that it has
};

// Throws E_CUDA, E_CUBLAS and E_DEVICE_MEMORY.
std::unique_ptr<CudaDevice> make_cuda_device(const CudaDeviceOptions& options);

}  // namespace stateline
