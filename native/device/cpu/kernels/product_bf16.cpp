// Matrix product of bf16 values, sums in f32. A word holds two neighbours of a row. With AVX512_BF16 one instruction
// multiplies and adds both; elsewhere each half of the weights is widened by a shift or a mask, and activations come
// as f32 that were rounded to bf16, so that every instruction set multiplies the same numbers.
#include "device/cpu/kernels/product.h"

namespace stateline::cpu::STATELINE_ISA {

namespace {

// One word of the panel into all rows of the tile.
template <int M, bool Widen>
STATELINE_INLINE void multiply_word(const uint32_t* a, const uint32_t* w, [[maybe_unused]] float*& wide,
                                    Sums<M>& sums) {
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
    load_again(w);
    const vu left = bits(load(w)), right = bits(load(w + kLanes));
    const vf wide_left = floats(half == 0 ? left << 16 : left & 0xffff0000u);
    const vf wide_right = floats(half == 0 ? right << 16 : right & 0xffff0000u);
    if (Widen) {
      store(wide, wide_left);
      store(wide + kLanes, wide_right);
      wide += kPanel;
    }
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) {
      const vf x = set(values[i]);
      sums[i][0] = fma(x, wide_left, sums[i][0]);
      sums[i][1] = fma(x, wide_right, sums[i][1]);
    }
  }
#endif
}

// Widen: and writes the block of the panel as product_f32 reads it, for the tiles that follow.
template <int M, bool Widen>
struct AnyTile {
  static void run(const Product& product) {
    Sums<M> sums = {};
    start<M>(product, sums);
    const uint32_t* a = static_cast<const uint32_t*>(product.activations);
    const uint32_t* w = static_cast<const uint32_t*>(product.panel);
    float* wide = static_cast<float*>(product.wide);
    const char* ahead = static_cast<const char*>(product.ahead);
#pragma GCC unroll 4
    for (int64_t k = 0; k < product.words; ++k, a += M * kActivationWordsBf16, w += kPanel, ahead += product.stride) {
      prefetch(ahead, product.stride);
      multiply_word<M, Widen>(a, w, wide, sums);
    }
    finish<M>(product, sums);
  }
};
template <int M>
using Tile = AnyTile<M, false>;
template <int M>
using WideningTile = AnyTile<M, true>;

}  // namespace

void product_bf16(const Product& product) { run<Tile, kTileBf16>(product); }

#if !STATELINE_AVX512
void widen_bf16(const Product& product) { run<WideningTile, kTileBf16>(product); }
#endif

}  // namespace stateline::cpu::STATELINE_ISA
