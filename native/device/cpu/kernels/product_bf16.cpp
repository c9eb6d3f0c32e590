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
    load_again(w);
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
struct Tile {
  static void run(const Product& product) {
    Sums<M> sums = {};
    start<M>(product, sums);
    const uint32_t* a = static_cast<const uint32_t*>(product.activations);
    const uint32_t* w = static_cast<const uint32_t*>(product.panel);
#pragma GCC unroll 4
    for (int64_t k = 0; k < product.words; ++k, a += M * kActivationWordsBf16, w += kPanel) {
      prefetch(w);
      multiply_word<M>(a, w, sums);
    }
    finish<M>(product, sums);
  }
};

}  // namespace

#if !STATELINE_AVX512
void widen_bf16(const void* panel, int64_t words, void* out) {
  const uint32_t* w = static_cast<const uint32_t*>(panel);
  float* to = static_cast<float*>(out);
  for (int64_t k = 0; k < words; ++k, w += kPanel, to += 2 * kPanel) {
    prefetch(w);
    const vu left = bits(load(w)), right = bits(load(w + kLanes));
    store(to, floats(left << 16));
    store(to + kLanes, floats(right << 16));
    store(to + kPanel, floats(left & 0xffff0000u));
    store(to + kPanel + kLanes, floats(right & 0xffff0000u));
  }
}
#endif

void product_bf16(const Product& product) { run<Tile, kTileBf16>(product); }

}  // namespace stateline::cpu::STATELINE_ISA
