// Zeroed memory for weights, states and activations, aligned to cache lines; large blocks ask for huge pages, which
// raise a thread's read rate by some 10 % and spare most page faults.
#pragma once

#include <cstddef>
#include <memory>

namespace stateline::cpu {

class Memory {
 public:
  Memory() = default;
  // Throws E_MEMORY when the system has no such block.
  explicit Memory(size_t bytes);

  std::byte* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Release {
    size_t mapped;  // 0: from the heap
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Release> data_;
  size_t bytes_ = 0;
};

}  // namespace stateline::cpu
