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

// Asks for the weights of one word that are wanted later: a word of a panel is as many bytes as two vectors, which with
// AVX-512 is two lines. Without, a core that has several rows waits for memory and then computes, by turns
// (bench/README.md).
STATELINE_INLINE void prefetch(const char* w, int64_t stride) {
  __builtin_prefetch(w, 0, 2);
  if constexpr (kPanel * sizeof(float) > 64) __builtin_prefetch(w + stride / 2, 0, 2);
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
