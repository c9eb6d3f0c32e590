#include "device/cpu/load.h"

#include <cstring>

#include "device/cpu/rows.h"

namespace stateline::cpu {

void widen(const Kernels& kernels, DType type, const std::byte* in, float* out, int64_t n) {
  if (type == DType::f32) {
    std::memcpy(out, in, n * sizeof(float));
    return;
  }
  const auto* halves = reinterpret_cast<const uint16_t*>(in);
  (type == DType::f16 ? kernels.sum_f16 : kernels.sum_bf16)(&halves, 1, out, n);
}

void load(const Kernels& kernels, const TensorSlice& slice, float* out) {
  RowWalk walk(slice);
  const int64_t columns = slice.columns();
  for (int64_t row = 0, rows = slice.rows(); row < rows; ++row, out += columns) {
    widen(kernels, slice.dtype, walk.next(), out, columns);
  }
}

}  // namespace stateline::cpu
