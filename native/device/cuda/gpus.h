// The GPUs of this machine, and why there are none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace stateline::cuda {

struct Gpu {
  std::string problem;  // why it says nothing of itself; empty where it does
  std::string name;
  size_t memory = 0;  // bytes
  int major = 0, minor = 0;
  int multiprocessors = 0;
};

struct Machine {
  std::vector<Gpu> gpus;  // by ordinal
  int driver = 0;         // CUDA version the driver serves, 1000 · major + 10 · minor; 0: no driver
  int runtime = 0;        // that this program was built with
  std::string code;       // E_CUDA_DRIVER, E_CUDA_DRIVER_OLD, E_CUDA_NO_GPU or E_CUDA; empty when there are GPUs
  std::string problem;    // in words

  bool driver_serves() const { return !code.starts_with("E_CUDA_DRIVER"); }
};

Machine machine();

// Throws machine().code when there are no GPUs.
Machine require_gpus();

// "13.0"
std::string version_text(int version);

}  // namespace stateline::cuda
