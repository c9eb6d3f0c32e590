// The functions of cuBLAS that the engine calls, for matrices in this process's memory and streams of test/simt, as
// cuBLAS's documentation describes them: column-major, C = alpha · op(A) · op(B) + beta · C.
//
// Each product leaves half of its sums in the handle's workspace for a while, so that a workspace which another stream
// writes to, or which has been freed, gives wrong numbers. Without one a product is refused where a stream captures:
// cuBLAS would make the graph allocate.
#include <cstdint>
#include <cstring>
#include <functional>

#include "cuda_runtime_api.h"
#include "test/reference/number_formats.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

// Weak: what only asks for the version opens this library where there is no shim (test/api/cuda.test.ts).
cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t, void*) __attribute__((weak));
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus*) __attribute__((weak));

namespace {

int64_t products = 0;

struct Handle {
  cudaStream_t stream = nullptr;
  double* workspace = nullptr;
  size_t bytes = 0;
};

double value_at(const void* data, int64_t index, int type) {
  if (type == 0) return static_cast<const float*>(data)[index];
  const uint16_t bits = static_cast<const uint16_t*>(data)[index];
  return type == 2 ? stateline::reference::decode_f16(bits) : stateline::reference::decode_bf16(bits);
}

}  // namespace

EXPORT int cublasGetProperty(int property, int* value) {
#if defined(FAKE_CUBLAS_OLD)
  constexpr int kVersion[] = {11, 10, 3};
#else
  constexpr int kVersion[] = {13, 1, 0};
#endif
  *value = kVersion[property];
  return 0;
}
EXPORT int cublasCreate_v2(Handle** handle) {
  *handle = new Handle;
  return 0;
}
EXPORT int cublasDestroy_v2(Handle* handle) {
  delete handle;
  return 0;
}
// Takes the handle's workspace away, as cuBLAS does.
EXPORT int cublasSetStream_v2(Handle* handle, cudaStream_t stream) {
  *handle = {stream, nullptr, 0};
  return 0;
}
EXPORT int cublasSetWorkspace_v2(Handle* handle, void* workspace, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(workspace) % 256 != 0) return 7;
  handle->workspace = static_cast<double*>(workspace);
  handle->bytes = bytes;
  return 0;
}
EXPORT const char* cublasGetStatusString(int) { return "an invalid value"; }

EXPORT int cublasGemmEx(Handle* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a,
                        int type_a, int lda, const void* b, int type_b, int ldb, const void* beta, void* c, int type_c,
                        int ldc, int compute, int) {
  constexpr int kInvalid = 7;
  if (compute != 68 || type_c != 0 || type_a != type_b || ldc < m) return kInvalid;
  if (lda < (op_a ? k : m) || ldb < (op_b ? n : k)) return kInvalid;
  auto capturing = cudaStreamCaptureStatusNone;
  cudaStreamIsCapturing(handle->stream, &capturing);
  if (capturing != cudaStreamCaptureStatusNone && !handle->workspace) return kInvalid;
  __atomic_fetch_add(&products, 1, __ATOMIC_RELAXED);
  const auto at = [](int op, int64_t row, int64_t column, int64_t ld) {
    return op ? row * ld + column : column * ld + row;
  };
  // Kept for ever: a graph may run it again. The factors are read now, as those on the host are.
  auto* product = new std::function<void()>(
      [=, own = *handle, factor = *static_cast<const float*>(alpha), kept = *static_cast<const float*>(beta)] {
        const bool fits = static_cast<size_t>(m) * n * sizeof(double) <= own.bytes;
        const int64_t half = fits ? k / 2 : 0;
        const auto sum = [&](int64_t row, int64_t column, int64_t begin, int64_t end) {
          double total = 0;
          for (int64_t i = begin; i < end; ++i)
            total += value_at(a, at(op_a, row, i, lda), type_a) * value_at(b, at(op_b, i, column, ldb), type_b);
          return total;
        };
        for (int64_t i = 0; fits && i < int64_t{m} * n; ++i) own.workspace[i] = sum(i % m, i / m, 0, half);
        for (int64_t i = 0; i < int64_t{m} * n; ++i) {
          const double total = (fits ? own.workspace[i] : 0) + sum(i % m, i / m, half, k);
          float& out = static_cast<float*>(c)[i / m * ldc + i % m];
          out = static_cast<float>(factor * total) + (kept != 0 ? kept * out : 0);
        }
      });
  const auto run = [](void* data) { (*static_cast<std::function<void()>*>(data))(); };
  return cudaLaunchHostFunc(handle->stream, run, product) == cudaSuccess ? 0 : kInvalid;
}

// Products so far, for the test.
EXPORT int64_t fake_products() { return __atomic_load_n(&products, __ATOMIC_RELAXED); }
