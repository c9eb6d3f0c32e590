#include "device/cuda/inbox.h"

#include <cstring>
#include <string>

#include "runtime/error.h"

namespace stateline::cuda {

void Inbox::send(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return;
  if (bytes > most_bytes_) {
    throw Error("E_OPTION", "a step's inputs are " + std::to_string(bytes) + " bytes, and at most " +
                                std::to_string(most_bytes_) + " were announced");
  }
  const size_t slot = next_++ % kSlots;
  std::byte* pinned = memory_.data() + slot * most_bytes_;
  std::memcpy(pinned, from, bytes);
  check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream), "a step's inputs");
  read_[slot].record(stream);
}

}  // namespace stateline::cuda
