// Search for large values.
#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/simd.h"

namespace stateline::cpu::STATELINE_ISA {

int64_t first_above(const float* values, int64_t begin, int64_t end, float least) {
  constexpr int kVectors = 4;
  const vf bound = set(least);
  int64_t i = begin;
  for (; i + kVectors * kLanes <= end; i += kVectors * kLanes) {
    vi above = {};
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) above |= ~(load(values + i + v * kLanes) <= bound);
    if (any(above)) break;
  }
  while (i < end && values[i] <= least) ++i;
  return i;
}

}  // namespace stateline::cpu::STATELINE_ISA
