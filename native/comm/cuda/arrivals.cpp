#include "comm/cuda/arrivals.h"

#include <chrono>
#include <thread>

namespace stateline::cuda {

std::vector<uint32_t> Arrivals::read(const std::vector<const uint32_t*>& places, size_t count) {
  const cudaError_t code = fetch(places, count);
  cudaGetLastError();  // else another's call would report what failed here
  if (code != cudaSuccess) return {};
  const auto* words = reinterpret_cast<const uint32_t*>(host_.data());
  return {words, words + places.size() * count};
}

cudaError_t Arrivals::fetch(const std::vector<const uint32_t*>& places, size_t count) {
  auto* words = reinterpret_cast<uint32_t*>(host_.data());
  for (size_t i = 0; i < places.size(); ++i) {
    // cudaMemcpyDefault: other GPUs' memory, whether or not this one reads it.
    const cudaError_t code =
        cudaMemcpyAsync(words + i * count, places[i], count * sizeof(uint32_t), cudaMemcpyDefault, stream_);
    if (code != cudaSuccess) return code;
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  cudaError_t code;
  while ((code = cudaStreamQuery(stream_)) == cudaErrorNotReady && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return code;
}

}  // namespace stateline::cuda
