// What CUDA's runtime answers, as the engine's exceptions.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>

namespace stateline::cuda {

// What the calling thread is at, where it is a rank's.
struct Whereabouts {
  int rank = -1;  // none
  int gpu = 0;
  int64_t step = -1;         // none yet
  const char* op = "start";  // that was begun last
};
Whereabouts& here();

// Throws E_CUDA with CUDA's own text unless `code` says success, and with the rank, step and op of here(). CUDA reports
// what a kernel did wrong at a later call, so the last op that was begun is the nearest name for it. `what`: what was
// being done, "recording an event".
void check(cudaError_t code, const std::string& what);
inline void check(cudaError_t code, const char* what) {
  if (code != cudaSuccess) [[unlikely]]
    check(code, std::string(what));
}
// The same where CUDA serves this thread's GPU no longer: for libraries that do not tell what CUDA has told them.
void check_served(const char* what);

}  // namespace stateline::cuda
