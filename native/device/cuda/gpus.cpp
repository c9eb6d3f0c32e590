#include "device/cuda/gpus.h"

#include <cuda_runtime_api.h>

#include "runtime/error.h"

namespace stateline::cuda {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Machine machine() {
  Machine found;
  cudaRuntimeGetVersion(&found.runtime);
  cudaDriverGetVersion(&found.driver);
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess) cudaGetLastError();
  if (found.driver == 0) {
    found.code = "E_CUDA_DRIVER";
    found.problem =
        "this machine has no NVIDIA driver; install one that serves CUDA " + version_text(found.runtime) + " or later";
  } else if (code == cudaErrorInsufficientDriver) {
    found.code = "E_CUDA_DRIVER_OLD";
    found.problem = "the NVIDIA driver serves CUDA " + version_text(found.driver) + ", this build needs " +
                    version_text(found.runtime) + "; install a newer driver";
  } else if (code == cudaErrorNoDevice || (code == cudaSuccess && count == 0)) {
    found.code = "E_CUDA_NO_GPU";
    found.problem = "the NVIDIA driver sees no GPU; check CUDA_VISIBLE_DEVICES";
  } else if (code != cudaSuccess) {
    found.code = "E_CUDA";
    found.problem = std::string("the GPUs cannot be counted: ") + cudaGetErrorString(code);
  }
  if (!found.code.empty()) return found;
  for (int gpu = 0; gpu < count; ++gpu) {
    Gpu& own = found.gpus.emplace_back();
    cudaDeviceProp properties{};
    if (const cudaError_t asked = cudaGetDeviceProperties(&properties, gpu); asked != cudaSuccess) {
      cudaGetLastError();
      own.problem = cudaGetErrorString(asked);
      continue;
    }
    own.name = properties.name;
    own.memory = properties.totalGlobalMem;
    own.major = properties.major;
    own.minor = properties.minor;
    own.multiprocessors = properties.multiProcessorCount;
  }
  return found;
}

Machine require_gpus() {
  Machine found = machine();
  if (!found.code.empty()) {
    throw Error(found.code, found.problem,
                {{"driver", version_text(found.driver)}, {"runtime", version_text(found.runtime)}});
  }
  return found;
}

}  // namespace stateline::cuda
