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
    std::string problem;       // why it says nothing of itself; empty where it does
  };
  bool compiled = false;
  std::vector<std::string> architectures;  // that kernels were compiled for: "80", …
  std::string problem;                     // why there are no GPUs; empty when there are
  std::vector<Gpu> gpus;
  // Of each the version, empty where there is none, and why it does not serve.
  std::string driver;  // the CUDA that it serves
  std::string driver_problem;
  std::string nccl;
  std::string nccl_problem;
  std::string cublas;
  std::string cublas_file;
  std::string cublas_problem;
};

CudaSummary cuda_summary();

}  // namespace stateline
