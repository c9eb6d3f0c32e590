// What this build and this machine have of CUDA, for doctor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stateline {

struct CudaSummary {
  struct Gpu {
    std::string name;
    int64_t memory = 0;        // bytes
    std::string architecture;  // "9.0"
  };
  bool compiled = false;
  std::vector<std::string> architectures;  // that kernels were compiled for: "80", …
  std::string problem;                     // why there are no GPUs; empty when there are
  std::vector<Gpu> gpus;
  std::string nccl;          // its version; empty: none
  std::string nccl_problem;  // why
  std::string cublas;        // its file; empty: none
  std::string cublas_problem;
};

CudaSummary cuda_summary();

}  // namespace stateline
