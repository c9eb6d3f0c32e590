// Matrix product in f32. Both operands are interleaved, so the inner loop reads two streams from end to end: per k, one
// row of the panel (two vectors) and M activations, each broadcast and multiplied into its row of accumulators.
// M = 14 on AVX-512 and 6 elsewhere fill the register file: 2M accumulators, two weights, one broadcast.
#include "device/cpu/kernels/product.h"

namespace stateline::cpu::STATELINE_ISA {

namespace {

template <int M>
struct Tile {
  static void run(const Product& product) {
    Sums<M> sums = {};
    start<M>(product, sums);
    const float* a = static_cast<const float*>(product.activations);
    const float* w = static_cast<const float*>(product.panel);
    const char* ahead = static_cast<const char*>(product.ahead);
#pragma GCC unroll 4
    for (int64_t k = 0; k < product.words; ++k, a += M, w += kPanel, ahead += product.stride) {
      prefetch(ahead, product.stride);
      const vf left = load(w), right = load(w + kLanes);
#pragma GCC unroll 14
      for (int i = 0; i < M; ++i) {
        const vf x = set(a[i]);
        sums[i][0] = fma(x, left, sums[i][0]);
        sums[i][1] = fma(x, right, sums[i][1]);
      }
    }
    finish<M>(product, sums);
  }
};

}  // namespace

void product_f32(const Product& product) { run<Tile, kTileF32>(product); }

}  // namespace stateline::cpu::STATELINE_ISA
