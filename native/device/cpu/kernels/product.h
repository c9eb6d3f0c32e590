// What the matrix kernels of all compute types share.
//
// Every output is one sum over k in order, whatever the tile and the block: a token's numbers do not depend, to the
// last bit, on how many others are computed beside it.
#pragma once

#include <utility>

#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/shape.h"

namespace stateline::cpu::STATELINE_ISA {

template <int M>
using Sums = vf[M][kPanelVectors];

// Asks for weights that are wanted later. Measured on a Zen core that reads for itself and beside one that reads, too:
// a batch of 8 gains 15 to 20 %. Cores with AVX-512 read at the machine's rate without.
STATELINE_INLINE void prefetch(const void* w) {
#if !STATELINE_AVX512
  __builtin_prefetch(w, 0, 2);
#else
  (void)w;
#endif
}

// What was loaded from w is not kept for the next use: it would push sums out of the registers.
STATELINE_INLINE void load_again(const uint32_t*& w) { __asm__("" : "+r"(w)); }

// Rows of `out` so far, of `columns` columns.
STATELINE_INLINE void load_row(const float* out, int64_t columns, vf (&sums)[kPanelVectors]) {
  if (columns == kPanel) {
    sums[0] = load(out);
    sums[1] = load(out + kLanes);
  } else if (columns > kLanes) {
    sums[0] = load(out);
    sums[1] = load(out + kLanes, columns - kLanes);
  } else {
    sums[0] = load(out, columns);
  }
}

template <int M>
STATELINE_INLINE void start(const Product& product, Sums<M>& sums) {
  if (!product.resume) return;
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
    load_row(product.out + i * product.out_stride, product.columns, sums[i]);
    __builtin_prefetch(product.out + (M + i) * product.out_stride, 1);  // the next tile's
  }
}

template <int M>
STATELINE_INLINE void finish(const Product& product, const Sums<M>& sums) {
  const int64_t columns = product.columns;
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
    vf left = sums[i][0], right = sums[i][1];
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

// Tile<rows>::run, for up to Most rows.
template <template <int> class Tile, int... M>
STATELINE_INLINE void run(const Product& product, std::integer_sequence<int, M...>) {
  static constexpr void (*kTiles[])(const Product&) = {Tile<M + 1>::run...};
  kTiles[product.rows - 1](product);
}
template <template <int> class Tile, int Most>
STATELINE_INLINE void run(const Product& product) {
  run<Tile>(product, std::make_integer_sequence<int, Most>());
}

}  // namespace stateline::cpu::STATELINE_ISA
