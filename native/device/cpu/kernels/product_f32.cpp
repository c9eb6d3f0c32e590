// Matrix product in f32. Both operands are interleaved, so the inner loop reads two streams from end to end: per k, one
// row of the panel (two vectors) and M activations, each broadcast and multiplied into its row of accumulators.
// M = 14 on AVX-512 and 6 elsewhere fill the register file: 2M accumulators, two weights, one broadcast.
#include "device/cpu/kernels/product.h"

namespace stateline::cpu::STATELINE_ISA {

namespace {

template <int M>
void tile(const Product& product) {
  Sums<M> sums = {};
  const float* a = static_cast<const float*>(product.activations);
  const float* w = static_cast<const float*>(product.panel);
#pragma GCC unroll 4
  for (int64_t k = 0; k < product.words; ++k, a += M, w += kPanel) {
    prefetch(w);
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

using Tile = void (*)(const Product&);
constexpr Tile kTiles[kTileF32] = {
    tile<1>, tile<2>, tile<3>, tile<4>,  tile<5>,  tile<6>,
#if STATELINE_AVX512
    tile<7>, tile<8>, tile<9>, tile<10>, tile<11>, tile<12>, tile<13>, tile<14>,
#endif
};

}  // namespace

void product_f32(const Product& product) { kTiles[product.rows - 1](product); }

}  // namespace stateline::cpu::STATELINE_ISA
