// Memory of a GPU, and memory of the host that a GPU reads without a copy in between.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace stateline::cuda {

// Whether a GPU has been found to hang. Memory then stays with the GPUs, since giving it back would wait for that one.
std::atomic<bool>& gpu_hangs();

// Memory of the GPU that the calling thread has set.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  // Not initialised. Throws E_DEVICE_MEMORY, which says how much is free, for `purpose`.
  DeviceMemory(size_t bytes, const char* purpose);

  std::byte* data() const { return data_.get(); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_.get());
  }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t bytes_ = 0;
};

class PinnedMemory {
 public:
  PinnedMemory() = default;
  explicit PinnedMemory(size_t bytes);

  std::byte* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t bytes_ = 0;
};

// Memory for the length of one op, as much as the largest has asked for. What was handed out stays where it is, since
// a captured graph may hold its address.
class Scratch {
 public:
  std::byte* room_for(size_t bytes);

 private:
  std::vector<DeviceMemory> blocks_;
};

}  // namespace stateline::cuda
