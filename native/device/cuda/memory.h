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
  // Not initialised. `purpose`: a literal, in the plural. Throws E_DEVICE_MEMORY, which says what needs and what holds
  // how much.
  DeviceMemory(size_t bytes, const char* purpose);

  std::byte* data() const { return data_.get(); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_.get());
  }
  size_t bytes() const { return data_.get_deleter().bytes; }

 private:
  struct Free {
    int gpu;
    const char* purpose;
    size_t bytes;
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> data_;
};

// Throws E_DEVICE_MEMORY where the calling thread's GPU has not so much left.
void require_room(size_t bytes, const char* purpose);

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
  // Before any is handed out: so that it need not grow in a step, up to that.
  void reserve(size_t bytes);
  size_t bytes() const;

 private:
  std::vector<DeviceMemory> blocks_;
};

}  // namespace stateline::cuda
