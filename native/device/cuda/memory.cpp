#include "device/cuda/memory.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <string>

#include "device/cuda/check.h"
#include "runtime/error.h"

namespace stateline::cuda {
namespace {

std::string mebibytes(size_t bytes) { return std::to_string(((bytes - 1) >> 20) + 1) + " MiB"; }

[[noreturn]] void refuse(size_t bytes, const char* purpose) {
  cudaGetLastError();  // running out of memory breaks nothing: forget it
  size_t free = 0, total = 0;
  int gpu = 0;
  cudaGetDevice(&gpu);
  cudaMemGetInfo(&free, &total);
  throw Error("E_DEVICE_MEMORY",
              std::string(purpose) + " need " + mebibytes(bytes) + " more, but GPU " + std::to_string(gpu) + " has " +
                  mebibytes(free + 1) + " of its " + mebibytes(total + 1) +
                  " left: use more ranks, fewer slots, a smaller chunk, or a smaller compute type",
              {{"purpose", purpose},
               {"bytes", std::to_string(bytes)},
               {"free", std::to_string(free)},
               {"total", std::to_string(total)},
               {"gpu", std::to_string(gpu)}});
}

}  // namespace

std::atomic<bool>& gpu_hangs() {
  static std::atomic<bool> any{false};
  return any;
}

DeviceMemory::DeviceMemory(size_t bytes, const char* purpose) : bytes_(bytes) {
  if (bytes == 0) return;
  void* data = nullptr;
  const cudaError_t code = cudaMalloc(&data, bytes);
  if (code == cudaErrorMemoryAllocation) refuse(bytes, purpose);
  check(code, purpose);
  data_.reset(static_cast<std::byte*>(data));
}

void DeviceMemory::Free::operator()(std::byte* memory) const {
  if (!gpu_hangs()) cudaFree(memory);
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

}  // namespace stateline::cuda
