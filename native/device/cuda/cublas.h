// NVIDIA's products of many rows, opened where the system has them: their kernels use tensor cores, gemm.cu none. The
// declarations are those of cuBLAS's public header that are used here.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <string>

#include "device/cuda/kernels.h"

namespace stateline::cuda {

class Cublas {
 public:
  // STATELINE_CUBLAS, or libcublas of CUDA 13 or 12 where the system's loader finds it. Null where there is none, or
  // the variable says "off". Throws E_CUBLAS where the named file is none.
  static std::unique_ptr<Cublas> open(cudaStream_t stream);
  // The file that open() would take, "" for none. Throws as open() does.
  static std::string find();
  ~Cublas();
  Cublas(const Cublas&) = delete;

  const std::string& file() const { return file_; }

  // out = in · Wᵀ. `in`: rows of weight.columns values of the weights' type, `stride` apart.
  void product(const Weights& weight, const void* in, int64_t stride, View<float> out) const;

 private:
  using Handle = struct cublasContext*;
  using Status = int;

  Cublas(void* library, std::string file, cudaStream_t stream);
  template <class Function>
  void bind(Function*& function, const char* symbol);
  void check(Status status, const char* what) const;

  void* library_;  // never closed: it keeps threads and memory of its own
  std::string file_;
  Handle handle_ = nullptr;
  Status (*create_)(Handle*) = nullptr;
  Status (*destroy_)(Handle) = nullptr;
  Status (*set_stream_)(Handle, cudaStream_t) = nullptr;
  Status (*gemm_)(Handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a, int type_a,
                  int lda, const void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc,
                  int compute, int algorithm) = nullptr;
  const char* (*status_text_)(Status) = nullptr;
};

}  // namespace stateline::cuda
