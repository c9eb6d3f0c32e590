// NVIDIA's products of many rows, opened where the system has them: their kernels use tensor cores, gemm.cu none.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <string>

#include "device/cuda/kernels.h"
#include "device/cuda/memory.h"

namespace stateline::cuda {

// The library, with the functions of cuBLAS's public header that are used here.
struct CublasLibrary {
  using Handle = struct cublasContext*;
  using Status = int;

  // STATELINE_CUBLAS, or libcublas of CUDA 13 or 12 where the system's loader finds it. Null where there is none, or
  // the variable says "off". Throws E_CUBLAS where the named file is none, and E_CUBLAS_OLD.
  static std::unique_ptr<const CublasLibrary> open();

  // Throws E_CUBLAS with cuBLAS's own text unless `status` says success.
  void check(Status status, const char* what) const;

  std::string file;
  std::string version;  // "13.1.0"

  Status (*create)(Handle*) = nullptr;
  Status (*destroy)(Handle) = nullptr;
  Status (*set_stream)(Handle, cudaStream_t) = nullptr;
  Status (*set_workspace)(Handle, void* workspace, size_t bytes) = nullptr;
  Status (*gemm)(Handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a, int type_a, int lda,
                 const void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc, int compute,
                 int algorithm) = nullptr;
  const char* (*status_text)(Status) = nullptr;

 private:
  CublasLibrary(void* library, std::string file);
  template <class Function>
  void find(void* library, Function*& function, const char* symbol) const;
};

// Products on one stream.
class Cublas {
 public:
  // Null where there is no library. Throws what that throws, and E_DEVICE_MEMORY.
  static std::unique_ptr<Cublas> open(cudaStream_t stream);
  ~Cublas();
  Cublas(const Cublas&) = delete;

  // out = in · Wᵀ. `in`: rows of weight.columns values of the weights' type, `stride` apart. May be captured.
  void product(const Weights& weight, const void* in, int64_t stride, View<float> out) const;

  size_t bytes() const { return workspace_.bytes(); }

 private:
  Cublas(std::unique_ptr<const CublasLibrary> library, cudaStream_t stream);

  std::unique_ptr<const CublasLibrary> library_;
  DeviceMemory workspace_;  // that cuBLAS would else allocate by itself, in a captured graph as one of its operations
  CublasLibrary::Handle handle_ = nullptr;
};

}  // namespace stateline::cuda
