// Matrix product of bf16 values, sums in f32. A word holds two neighbours of a row. With AVX512_BF16 one instruction
// multiplies and adds both; elsewhere each half of the weights is widened by a shift or a mask, and activations come
// as f32 that were rounded to bf16, so that every instruction set multiplies the same numbers.
#include "device/cpu/kernels/product.h"

namespace stateline::cpu::STATELINE_ISA {

namespace {

// One word of the panel into all rows of the tile.
template <int M>
STATELINE_INLINE void multiply_word(const uint32_t* a, const uint32_t* w, Sums<M>& sums) {
#if defined(STATELINE_ISA_avx512bf16)
  const __m512bh left = (__m512bh)_mm512_loadu_si512(w);
  const __m512bh right = (__m512bh)_mm512_loadu_si512(w + kLanes);
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
    const __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[i]);
    sums[i][0] = _mm512_dpbf16_ps(sums[i][0], x, left);
    sums[i][1] = _mm512_dpbf16_ps(sums[i][1], x, right);
  }
#else
  const float* values = (const float*)a;
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half, values += M) {
    const vu left = bits(load(w)), right = bits(load(w + kLanes));
    const vf wide_left = floats(half == 0 ? left << 16 : left & 0xffff0000u);
    const vf wide_right = floats(half == 0 ? right << 16 : right & 0xffff0000u);
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) {
      const vf x = set(values[i]);
      sums[i][0] = fma(x, wide_left, sums[i][0]);
      sums[i][1] = fma(x, wide_right, sums[i][1]);
    }
  }
#endif
}

template <int M>
void tile(const Product& product) {
  Sums<M> sums = {};
  const uint32_t* a = static_cast<const uint32_t*>(product.activations);
  const uint32_t* w = static_cast<const uint32_t*>(product.panel);
#pragma GCC unroll 4
  for (int64_t k = 0; k < product.words; ++k, a += M * kActivationWordsBf16, w += kPanel) {
    prefetch(w);
    multiply_word<M>(a, w, sums);
  }
  finish<M>(product, sums);
}

using Tile = void (*)(const Product&);
constexpr Tile kTiles[kTileBf16] = {
    tile<1>,  tile<2>,  tile<3>, tile<4>,  tile<5>,  tile<6>,
#if STATELINE_AVX512
    tile<7>,  tile<8>,  tile<9>, tile<10>, tile<11>, tile<12>,
#endif
#if defined(STATELINE_ISA_avx512bf16)
    tile<13>, tile<14>,
#endif
};

}  // namespace

void product_bf16(const Product& product) { kTiles[product.rows - 1](product); }

}  // namespace stateline::cpu::STATELINE_ISA
