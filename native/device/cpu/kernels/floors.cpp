// What the machine can do at best, against which the kernels are measured: memory read from end to end, and products
// and recurrences that need no memory at all.
#include "device/cpu/kernels/math.h"
#include "device/cpu/kernels/ops.h"

#ifndef STATELINE_REGISTER
#define STATELINE_REGISTER "+v"  // where a vector lies; an emulated one has no register
#endif

namespace stateline::cpu::STATELINE_ISA {
namespace {

constexpr int kChains = 10;  // hides the latency of an addition at two a cycle; x86-64 without AVX-512 has 16 registers

// Chains the compiler must take for different ones.
STATELINE_INLINE void start(vf (&sums)[kChains]) {
#pragma GCC unroll 10
  for (int i = 0; i < kChains; ++i) {
    sums[i] = vf{};
    __asm__ volatile("" : STATELINE_REGISTER(sums[i]));
  }
}

STATELINE_INLINE float total(const vf (&sums)[kChains]) {
  vf all = sums[0];
  for (int i = 1; i < kChains; ++i) all += sums[i];
  return sum(all);
}

}  // namespace

float read(const void* data, int64_t bytes) {
  vu sums[4] = {};
  const char* p = static_cast<const char*>(data);
  const char* end = p + bytes;
  for (; p + 4 * sizeof(vf) <= end; p += 4 * sizeof(vf)) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sums[i] |= bits(load(p + i * sizeof(vf)));
  }
  return largest(floats((sums[0] | sums[1] | sums[2] | sums[3]) & 0x3f800000u));
}

float multiply_add_f32(int64_t rounds, int64_t* flops) {
  vf sums[kChains];
  start(sums);
  vf x = set(0.5f), y = set(0.25f);
  for (int64_t round = 0; round < rounds; ++round) {
    __asm__ volatile("" : STATELINE_REGISTER(x), STATELINE_REGISTER(y));  // not known to be constant
#pragma GCC unroll 10
    for (int i = 0; i < kChains; ++i) sums[i] = fma(x, y, sums[i]);
  }
  *flops = rounds * kChains * kLanes * 2;
  return total(sums);
}

float multiply_add_bf16(int64_t rounds, int64_t* flops) {
#if defined(STATELINE_ISA_avx512bf16)
  vf sums[kChains];
  start(sums);
  __m512i x = _mm512_set1_epi32(0x3f003f00);
  __m512i y = _mm512_set1_epi32(0x3e803e80);
  for (int64_t round = 0; round < rounds; ++round) {
    __asm__ volatile("" : STATELINE_REGISTER(x), STATELINE_REGISTER(y));
#pragma GCC unroll 10
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], (__m512bh)x, (__m512bh)y);
  }
  *flops = rounds * kChains * kLanes * 4;
  return total(sums);
#else
  return multiply_add_f32(rounds, flops);  // bf16 is widened here, so f32's floor holds
#endif
}

float multiply_add_int8(int64_t rounds, int64_t* flops) {
  vi sums[kChains] = {};
#pragma GCC unroll 10
  for (int i = 0; i < kChains; ++i) __asm__ volatile("" : STATELINE_REGISTER(sums[i]));
#if STATELINE_VNNI
  constexpr int kOnes = 0x01010101, kValues = 4;  // in each lane
#else
  constexpr int kOnes = 0x00010001, kValues = 2;
#endif
  vi x = vi{} + kOnes, y = vi{} + 2 * kOnes;
  for (int64_t round = 0; round < rounds; ++round) {
    __asm__ volatile("" : STATELINE_REGISTER(x), STATELINE_REGISTER(y));
#pragma GCC unroll 10
    for (int i = 0; i < kChains; ++i) {
#if STATELINE_VNNI
      sums[i] = multiply_bytes(sums[i], (vu)x, (vu)y);
#else
      sums[i] += multiply_pairs((vs)x, (vs)y);
      __asm__ volatile("" : STATELINE_REGISTER(sums[i]));  // not one product for all chains
#endif
    }
  }
  *flops = rounds * kChains * kLanes * kValues * 2;
  vi all = sums[0];
  for (int i = 1; i < kChains; ++i) all += sums[i];
  return sum(to_floats(all));
}

float update_states(int64_t rounds, int64_t* states) {
  constexpr int kStates = 4;  // independent, so that the exponentials of one hide the latency of another
  vf state[kStates] = {}, y = {};
  vf delta = set(0.1f), input = set(0.5f), c = set(0.25f);
  for (int64_t round = 0; round < rounds; ++round) {
    __asm__ volatile("" : STATELINE_REGISTER(delta), STATELINE_REGISTER(input), STATELINE_REGISTER(c));
    vf decay[kStates];
#pragma GCC unroll 4
    for (int i = 0; i < kStates; ++i) decay[i] = delta * (-1.0f - (float)i);
    exp2_decay(decay);
#pragma GCC unroll 4
    for (int i = 0; i < kStates; ++i) {
      const float b = 1.0f + (float)i;
      state[i] = fma(decay[i], state[i], input * b);
      y = fma(state[i], c, y);
    }
  }
  *states = rounds * kStates * kLanes;
  return sum(y);
}

}  // namespace stateline::cpu::STATELINE_ISA
