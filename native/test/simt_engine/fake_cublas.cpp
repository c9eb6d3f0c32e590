// The functions of cuBLAS that the engine calls, for matrices in this process's memory and streams of test/simt, as
// cuBLAS's documentation describes them: column-major, C = alpha · op(A) · op(B) + beta · C.
#include <cstdint>
#include <cstring>
#include <functional>

#include "cuda_runtime_api.h"
#include "test/reference/number_formats.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

int64_t products = 0;

double value_at(const void* data, int64_t index, int type) {
  if (type == 0) return static_cast<const float*>(data)[index];
  const uint16_t bits = static_cast<const uint16_t*>(data)[index];
  return type == 2 ? stateline::reference::decode_f16(bits) : stateline::reference::decode_bf16(bits);
}

}  // namespace

EXPORT int cublasCreate_v2(void** handle) {
  *handle = new cudaStream_t(nullptr);
  return 0;
}
EXPORT int cublasDestroy_v2(void* handle) {
  delete static_cast<cudaStream_t*>(handle);
  return 0;
}
EXPORT int cublasSetStream_v2(void* handle, cudaStream_t stream) {
  *static_cast<cudaStream_t*>(handle) = stream;
  return 0;
}
EXPORT const char* cublasGetStatusString(int) { return "an invalid value"; }

EXPORT int cublasGemmEx(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a,
                        int type_a, int lda, const void* b, int type_b, int ldb, const void* beta, void* c, int type_c,
                        int ldc, int compute, int) {
  constexpr int kInvalid = 7;
  if (compute != 68 || type_c != 0 || type_a != type_b || ldc < m) return kInvalid;
  if (lda < (op_a ? k : m) || ldb < (op_b ? n : k)) return kInvalid;
  __atomic_fetch_add(&products, 1, __ATOMIC_RELAXED);
  const auto at = [](int op, int64_t row, int64_t column, int64_t ld) {
    return op ? row * ld + column : column * ld + row;
  };
  // Kept for ever: a graph may run it again. The factors are read now, as those on the host are.
  auto* product = new std::function<void()>(
      [=, factor = *static_cast<const float*>(alpha), kept = *static_cast<const float*>(beta)] {
        for (int64_t column = 0; column < n; ++column) {
          for (int64_t row = 0; row < m; ++row) {
            double sum = 0;
            for (int64_t i = 0; i < k; ++i)
              sum += value_at(a, at(op_a, row, i, lda), type_a) * value_at(b, at(op_b, i, column, ldb), type_b);
            float& out = static_cast<float*>(c)[column * ldc + row];
            out = static_cast<float>(factor * sum) + (kept != 0 ? kept * out : 0);
          }
        }
      });
  const auto run = [](void* data) { (*static_cast<std::function<void()>*>(data))(); };
  return cudaLaunchHostFunc(*static_cast<cudaStream_t*>(handle), run, product) == cudaSuccess ? 0 : kInvalid;
}

// Products so far, for the test.
EXPORT int64_t fake_products() { return __atomic_load_n(&products, __ATOMIC_RELAXED); }
