// Sum, and residual addition with RMS norm, of one row.
#include <math.h>

#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/simd.h"

namespace stateline::cpu::STATELINE_ISA {

void norm(float* residual, const float* delta, const float* weight, float epsilon, float* out, int64_t n) {
  vf squares[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      vf x = load(residual + i + v * kLanes);
      if (delta) {
        x += load(delta + i + v * kLanes);
        store(residual + i + v * kLanes, x);
      }
      squares[v] = fma(x, x, squares[v]);
    }
  }
  for (; i < n; i += kLanes) {
    const int64_t count = n - i < kLanes ? n - i : kLanes;
    vf x = load(residual + i, count);
    if (delta) {
      x += load(delta + i, count);
      store(residual + i, x, count);
    }
    squares[0] = fma(x, x, squares[0]);
  }
  const float mean = sum((squares[0] + squares[1]) + (squares[2] + squares[3])) / static_cast<float>(n);
  const vf scale = set(1.0f / sqrtf(mean + epsilon));

  i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const vf x = load(residual + i) * scale;
    store(out + i, weight ? x * load(weight + i) : x);
  }
  if (i < n) {
    const vf x = load(residual + i, n - i) * scale;
    store(out + i, weight ? x * load(weight + i, n - i) : x, n - i);
  }
}

void add(const float* a, const float* b, float* out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, load(a + i) + load(b + i));
  if (i < n) store(out + i, load(a + i, n - i) + load(b + i, n - i), n - i);
}

}  // namespace stateline::cpu::STATELINE_ISA
