// What CUDA's runtime answers, as the engine's exceptions.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

namespace stateline::cuda {

// Throws E_CUDA with CUDA's own text unless `code` says success. `what`: what was being done, "rank 1: …".
void check(cudaError_t code, const std::string& what);
inline void check(cudaError_t code, const char* what) {
  if (code != cudaSuccess) [[unlikely]]
    check(code, std::string(what));
}

}  // namespace stateline::cuda
