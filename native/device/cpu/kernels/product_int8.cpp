// Matrix product of int8 values in groups of kGroup along a row. Inside a group sums are integers and exact; a group's
// sum is scaled and added in f32, group by group, so an output's bits depend on nothing but its two rows.
//
// 255·127·kGroup is far below 2^31. Without an instruction for four bytes, weights are widened in place to 16 bits by
// shifts, even neighbours and then odd ones: products of 16 bits cannot saturate, as sums of two u8·s8 would.
#include "device/cpu/kernels/product.h"

namespace stateline::cpu::STATELINE_ISA {
namespace {

constexpr int64_t kGroupWords = kGroup / 4;

template <int M>
using Integers = vi[M][kPanelVectors];

STATELINE_INLINE vi broadcast(uint32_t x) { return vi{} + (int32_t)x; }

template <int M>
STATELINE_INLINE void multiply_word(const uint32_t* a, const uint32_t* w, Integers<M>& sums) {
#if STATELINE_VNNI
  const vu left = bits(load(w)), right = bits(load(w + kLanes));
#pragma GCC unroll 14
  for (int i = 0; i < M; ++i) {
    const vu x = (vu)broadcast(a[i]);
    sums[i][0] = multiply_bytes(sums[i][0], left, x);
    sums[i][1] = multiply_bytes(sums[i][1], right, x);
  }
#else
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half, a += M) {
    load_again(w);
    const vs left = (vs)bits(load(w)), right = (vs)bits(load(w + kLanes));
    const vs wide_left = half == 0 ? left << 8 >> 8 : left >> 8;
    const vs wide_right = half == 0 ? right << 8 >> 8 : right >> 8;
#pragma GCC unroll 14
    for (int i = 0; i < M; ++i) {
      const vs x = (vs)broadcast(a[i]);
      sums[i][0] += multiply_pairs(wide_left, x);
      sums[i][1] += multiply_pairs(wide_right, x);
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
    const char* ahead = static_cast<const char*>(product.ahead);
    for (int64_t rest = product.words; rest > 0; rest -= kGroupWords) {
      const int64_t words = rest < kGroupWords ? rest : kGroupWords;
      const float* scales = (const float*)a;
      const vf left = load(w), right = load(w + kLanes);
      Integers<M> integers = {};
#if STATELINE_VNNI
      for (int i = 0; i < M; ++i) integers[i][0] = integers[i][1] = broadcast(a[M + i]);
#endif
      a += kActivationHeader * M;
      w += kPanel;
      for (int64_t k = 0; k < words; ++k, a += M * kActivationWordsInt8, w += kPanel, ahead += product.stride) {
        prefetch(ahead, product.stride);
        multiply_word<M>(a, w, integers);
      }
#pragma GCC unroll 14
      for (int i = 0; i < M; ++i) {
        const vf scale = set(scales[i]);
        sums[i][0] = fma(to_floats(integers[i][0]), left * scale, sums[i][0]);
        sums[i][1] = fma(to_floats(integers[i][1]), right * scale, sums[i][1]);
      }
    }
    finish<M>(product, sums);
  }
};

}  // namespace

void product_int8(const Product& product) { run<Tile, kTileInt8>(product); }

}  // namespace stateline::cpu::STATELINE_ISA
