// What the matrix kernels of both compute types share.
#pragma once

#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/shape.h"

namespace stateline::cpu::STATELINE_ISA {

// Sums of a short tile go to several accumulators in turn, so that none waits for its own last addition.
constexpr int chains(int rows) { return rows >= 4 ? 1 : rows >= 2 ? 2 : 4; }

template <int M>
using Sums = vf[M][kPanelVectors];

template <int M, int Chains>
STATELINE_INLINE void finish(const Product& product, Sums<M> (&sums)[Chains]) {
  const int64_t columns = product.columns;
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
    vf left = sums[0][i][0], right = sums[0][i][1];
#pragma GCC unroll 4
    for (int c = 1; c < Chains; ++c) {
      left += sums[c][i][0];
      right += sums[c][i][1];
    }
    if (product.bias) {
      left += load(product.bias);
      right += load(product.bias + kLanes);
    }
    float* out = product.out + i * product.out_stride;
    if (columns == kPanel) {
      store(out, left);
      store(out + kLanes, right);
    } else if (columns > kLanes) {
      store(out, left);
      store(out + kLanes, right, columns - kLanes);
    } else {
      store(out, left, columns);
    }
  }
}

}  // namespace stateline::cpu::STATELINE_ISA
