#include "device/cuda/memory.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "device/cuda/check.h"
#include "runtime/error.h"

namespace stateline::cuda {
namespace {

std::string mebibytes(size_t bytes) { return std::to_string(((bytes - 1) >> 20) + 1) + " MiB"; }

// What this process holds on each GPU, by purpose.
class Ledger {
 public:
  static Ledger& own() {
    static auto* ledger = new Ledger;  // memory may be given back behind main
    return *ledger;
  }
  void add(int gpu, const char* purpose, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    held_[gpu][purpose] += bytes;
  }
  // "the weights 200 MiB, the states of all slots 3 MiB"
  std::string text(int gpu) {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& [purpose, bytes] : held_[gpu]) {
      if (bytes > 0) text += (text.empty() ? "" : ", ") + purpose + " " + mebibytes(static_cast<size_t>(bytes));
    }
    return text.empty() ? "nothing" : text;
  }

 private:
  std::mutex mutex_;
  std::map<int, std::map<std::string, int64_t>> held_;
};

int current_gpu() {
  int gpu = 0;
  cudaGetDevice(&gpu);
  return gpu;
}

[[noreturn]] void refuse(size_t bytes, const char* purpose) {
  cudaGetLastError();  // running out of memory breaks nothing: forget it
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  const std::string gpu = std::to_string(current_gpu()), held = Ledger::own().text(current_gpu());
  throw Error("E_DEVICE_MEMORY",
              std::string(purpose) + " need " + mebibytes(bytes) + " more, but GPU " + gpu + " has " +
                  mebibytes(free + 1) + " of its " + mebibytes(total + 1) + " left (this process holds " + held +
                  "): use more ranks, fewer slots, a smaller chunk, or a smaller compute type",
              {{"purpose", purpose},
               {"bytes", std::to_string(bytes)},
               {"free", std::to_string(free)},
               {"total", std::to_string(total)},
               {"held", held},
               {"gpu", gpu}});
}

}  // namespace

std::atomic<bool>& gpu_hangs() {
  static std::atomic<bool> any{false};
  return any;
}

DeviceMemory::DeviceMemory(size_t bytes, const char* purpose) {
  if (bytes == 0) return;
  void* data = nullptr;
  const cudaError_t code = cudaMalloc(&data, bytes);
  if (code == cudaErrorMemoryAllocation) refuse(bytes, purpose);
  check(code, purpose);
  data_ = {static_cast<std::byte*>(data), Free{current_gpu(), purpose, bytes}};
  Ledger::own().add(current_gpu(), purpose, static_cast<int64_t>(bytes));
}

void DeviceMemory::Free::operator()(std::byte* memory) const {
  if (gpu_hangs()) return;
  cudaFree(memory);
  Ledger::own().add(gpu, purpose, -static_cast<int64_t>(bytes));
}

void require_room(size_t bytes, const char* purpose) {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for free memory");
  if (free < bytes) refuse(bytes, purpose);
}

PinnedMemory::PinnedMemory(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  void* data = nullptr;
  check(cudaMallocHost(&data, bytes), "memory of the host that the GPU reads");
  data_.reset(static_cast<std::byte*>(data));
}

void PinnedMemory::Free::operator()(std::byte* memory) const {
  if (!gpu_hangs()) cudaFreeHost(memory);
}

std::byte* Scratch::room_for(size_t bytes) {
  if (blocks_.empty() || blocks_.back().bytes() < bytes) {
    const size_t doubled = blocks_.empty() ? 0 : 2 * blocks_.back().bytes();
    blocks_.emplace_back(std::max(bytes, doubled), "intermediate values");
  }
  return blocks_.back().data();
}

void Scratch::reserve(size_t bytes) {
  if (!blocks_.empty() && blocks_.back().bytes() >= bytes) return;
  blocks_.clear();
  blocks_.emplace_back(bytes, "intermediate values");
}

size_t Scratch::bytes() const {
  size_t bytes = 0;
  for (const DeviceMemory& block : blocks_) bytes += block.bytes();
  return bytes;
}

}  // namespace stateline::cuda
