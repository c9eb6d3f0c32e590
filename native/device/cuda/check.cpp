#include "device/cuda/check.h"

#include "runtime/error.h"

namespace stateline::cuda {

void check(cudaError_t code, const std::string& what) {
  if (code == cudaSuccess) return;
  const std::string name = cudaGetErrorName(code);
  throw Error("E_CUDA", what + ": " + cudaGetErrorString(code) + " (" + name + ")",
              {{"cuda", name}, {"number", std::to_string(static_cast<int>(code))}});
}

}  // namespace stateline::cuda
