// One vector of floats of the instruction set this file is compiled for, and what the kernels need of it. Arithmetic is
// by operators (GCC's vector extensions); functions here are those that operators cannot say. `count` is 0..kLanes: a
// partial load fills with zero, a partial store leaves the rest of memory alone.
#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#if defined(STATELINE_ISA_avx512) || defined(STATELINE_ISA_avx512bf16)
#define STATELINE_AVX512 1
#elif defined(STATELINE_ISA_avx2)
#define STATELINE_AVX2 1
#else
#define STATELINE_SSE2 1
#endif

#if defined(STATELINE_ISA_avx512bf16)
#define STATELINE_VNNI 1
#endif

#define STATELINE_INLINE static inline __attribute__((always_inline))

namespace stateline::cpu::STATELINE_ISA {

#if STATELINE_AVX512
using vf = __m512;
using Halves = __m256i;  // as many 16-bit values as vf has lanes
#elif STATELINE_AVX2
using vf = __m256;
using Halves = __m128i;
#else
using vf = __m128;
using Halves = __m128i;  // in its low half
#endif

typedef int32_t vi __attribute__((vector_size(sizeof(vf)), may_alias));
typedef uint32_t vu __attribute__((vector_size(sizeof(vf)), may_alias));

typedef int16_t vs __attribute__((vector_size(sizeof(vf)), may_alias));

constexpr int64_t kLanes = sizeof(vf) / sizeof(float);

typedef double vd __attribute__((vector_size(sizeof(vf)), may_alias));
typedef uint64_t vl __attribute__((vector_size(sizeof(vf)), may_alias));

constexpr int64_t kDoubles = kLanes / 2;

STATELINE_INLINE vu bits(vf x) { return (vu)x; }
STATELINE_INLINE vf floats(vu x) { return (vf)x; }
STATELINE_INLINE vu select(vi mask, vu yes, vu no) { return ((vu)mask & yes) | (~(vu)mask & no); }
STATELINE_INLINE vf to_floats(vi x) { return __builtin_convertvector(x, vf); }
STATELINE_INLINE vf magnitude(vf x) { return floats(bits(x) & 0x7fffffffu); }

#if STATELINE_AVX512

STATELINE_INLINE __mmask16 first(int64_t count) { return (__mmask16)((1u << count) - 1u); }
STATELINE_INLINE vf set(float x) { return _mm512_set1_ps(x); }
STATELINE_INLINE vf load(const void* p) { return _mm512_loadu_ps(p); }
STATELINE_INLINE vf load(const void* p, int64_t count) { return _mm512_maskz_loadu_ps(first(count), p); }
STATELINE_INLINE void store(void* p, vf x) { _mm512_storeu_ps(p, x); }
STATELINE_INLINE void store(void* p, vf x, int64_t count) { _mm512_mask_storeu_ps(p, first(count), x); }
STATELINE_INLINE vf fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
STATELINE_INLINE vf min(vf a, vf b) { return _mm512_min_ps(a, b); }  // b where one is NaN
STATELINE_INLINE vf max(vf a, vf b) { return _mm512_max_ps(a, b); }  // b where one is NaN
STATELINE_INLINE float sum(vf x) { return _mm512_reduce_add_ps(x); }
STATELINE_INLINE float largest(vf x) { return _mm512_reduce_max_ps(x); }
STATELINE_INLINE uint32_t lanes(vi mask) { return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask); }
STATELINE_INLINE vd fma(vd a, vd b, vd c) { return (vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }

STATELINE_INLINE Halves load_halves(const uint16_t* p) { return _mm256_loadu_si256((const __m256i_u*)p); }
STATELINE_INLINE void store_halves(uint16_t* p, Halves x) { _mm256_storeu_si256((__m256i_u*)p, x); }
STATELINE_INLINE vu widen(Halves x) { return (vu)_mm512_cvtepu16_epi32(x); }
STATELINE_INLINE Halves narrow(vu x) { return _mm512_cvtepi32_epi16((__m512i)x); }
STATELINE_INLINE vf from_f16(Halves x) { return _mm512_cvtph_ps(x); }
STATELINE_INLINE Halves to_f16(vf x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
STATELINE_INLINE vf load_bytes(const int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i_u*)p)));
}
STATELINE_INLINE void store_bytes(int8_t* p, vf x) {  // rounds to nearest even
  _mm_storeu_si128((__m128i_u*)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}

// Of each lane, the sum of its two products.
STATELINE_INLINE vi multiply_pairs(vs a, vs b) { return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b); }

#if STATELINE_VNNI
// sum + of each lane, the four products of unsigned by signed bytes.
STATELINE_INLINE vi multiply_bytes(vi sum, vu unsigneds, vu signeds) {
  return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)unsigneds, (__m512i)signeds);
}
#endif

#elif STATELINE_AVX2

alignas(64) static const int32_t kFirst[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
STATELINE_INLINE __m256i first(int64_t count) { return _mm256_loadu_si256((const __m256i_u*)(kFirst + 8 - count)); }
STATELINE_INLINE vf set(float x) { return _mm256_set1_ps(x); }
STATELINE_INLINE vf load(const void* p) { return _mm256_loadu_ps((const float*)p); }
STATELINE_INLINE vf load(const void* p, int64_t count) { return _mm256_maskload_ps((const float*)p, first(count)); }
STATELINE_INLINE void store(void* p, vf x) { _mm256_storeu_ps((float*)p, x); }
STATELINE_INLINE void store(void* p, vf x, int64_t count) { _mm256_maskstore_ps((float*)p, first(count), x); }
STATELINE_INLINE vf fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
STATELINE_INLINE vf min(vf a, vf b) { return _mm256_min_ps(a, b); }
STATELINE_INLINE vf max(vf a, vf b) { return _mm256_max_ps(a, b); }
STATELINE_INLINE uint32_t lanes(vi mask) { return (uint32_t)_mm256_movemask_ps((vf)mask); }
STATELINE_INLINE vd fma(vd a, vd b, vd c) { return (vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }

STATELINE_INLINE Halves load_halves(const uint16_t* p) { return _mm_loadu_si128((const __m128i_u*)p); }
STATELINE_INLINE void store_halves(uint16_t* p, Halves x) { _mm_storeu_si128((__m128i_u*)p, x); }
STATELINE_INLINE vu widen(Halves x) { return (vu)_mm256_cvtepu16_epi32(x); }
STATELINE_INLINE Halves narrow(vu x) {
  const __m256i low = _mm256_srai_epi32(_mm256_slli_epi32((__m256i)x, 16), 16);  // so that packing saturates nothing
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, low), 0x08);
  return _mm256_castsi256_si128(packed);
}
STATELINE_INLINE vf from_f16(Halves x) { return _mm256_cvtph_ps(x); }
STATELINE_INLINE Halves to_f16(vf x) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
STATELINE_INLINE vf load_bytes(const int8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i_u*)p)));
}
STATELINE_INLINE void store_bytes(int8_t* p, vf x) {
  const Halves words = narrow((vu)_mm256_cvtps_epi32(x));
  _mm_storel_epi64((__m128i_u*)p, _mm_packs_epi16(words, words));
}

STATELINE_INLINE vi multiply_pairs(vs a, vs b) { return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b); }

#else  // SSE2

STATELINE_INLINE vf set(float x) { return _mm_set1_ps(x); }
STATELINE_INLINE vf load(const void* p) { return _mm_loadu_ps((const float*)p); }
STATELINE_INLINE vf load(const void* p, int64_t count) {
  float values[4] = {0, 0, 0, 0};
  memcpy(values, p, count * sizeof(float));
  return _mm_loadu_ps(values);
}
STATELINE_INLINE void store(void* p, vf x) { _mm_storeu_ps((float*)p, x); }
STATELINE_INLINE void store(void* p, vf x, int64_t count) {
  float values[4];
  _mm_storeu_ps(values, x);
  memcpy(p, values, count * sizeof(float));
}
STATELINE_INLINE vf fma(vf a, vf b, vf c) { return a * b + c; }
STATELINE_INLINE vf min(vf a, vf b) { return _mm_min_ps(a, b); }
STATELINE_INLINE vf max(vf a, vf b) { return _mm_max_ps(a, b); }
STATELINE_INLINE uint32_t lanes(vi mask) { return (uint32_t)_mm_movemask_ps((vf)mask); }
STATELINE_INLINE vd fma(vd a, vd b, vd c) { return a * b + c; }

STATELINE_INLINE Halves load_halves(const uint16_t* p) { return _mm_loadl_epi64((const __m128i_u*)p); }
STATELINE_INLINE void store_halves(uint16_t* p, Halves x) { _mm_storel_epi64((__m128i_u*)p, x); }
STATELINE_INLINE vu widen(Halves x) { return (vu)_mm_unpacklo_epi16(x, _mm_setzero_si128()); }
STATELINE_INLINE Halves narrow(vu x) {
  const __m128i low = _mm_srai_epi32(_mm_slli_epi32((__m128i)x, 16), 16);
  return _mm_packs_epi32(low, low);
}
// Shifting the exponent by a product, which also normalises subnormals: f16's bias is 15, f32's 127.
STATELINE_INLINE vf from_f16(Halves x) {
  const vu half = widen(x);
  const vu shifted = (half & 0x7fffu) << 13;
  const vu value = bits(floats(shifted) * 0x1p112f);
  const vu special = shifted | 0x7f800000u;
  return floats(select((vi)(shifted >= 0x0f800000u), special, value) | ((half & 0x8000u) << 16));
}
STATELINE_INLINE Halves to_f16(vf x) {
  const vu sign = (bits(x) & 0x80000000u) >> 16;
  const vu u = bits(x) & 0x7fffffffu;
  // Adding 0.5 moves a subnormal's last bit to the last bit of the sum, and the addition rounds to nearest even.
  const vu subnormal = bits(floats(u) + 0.5f) - 0x3f000000u;
  const vu normal = (u - 0x38000000u + 0xfffu + ((u >> 13) & 1u)) >> 13;
  const vu special = select((vi)(u > 0x7f800000u), vu{} + 0x7e00u, vu{} + 0x7c00u);
  const vu value = select((vi)(u < 0x38800000u), subnormal, select((vi)(u >= 0x47800000u), special, normal));
  return narrow(value | sign);
}
STATELINE_INLINE vf load_bytes(const int8_t* p) {
  int32_t word;
  memcpy(&word, p, sizeof(word));
  const __m128i bytes = _mm_cvtsi32_si128(word);
  const __m128i words = _mm_unpacklo_epi8(bytes, bytes);
  return _mm_cvtepi32_ps(_mm_srai_epi32(_mm_unpacklo_epi16(words, words), 24));
}
STATELINE_INLINE void store_bytes(int8_t* p, vf x) {
  const __m128i integers = _mm_cvtps_epi32(x);
  const __m128i words = _mm_packs_epi32(integers, integers);
  const int32_t word = _mm_cvtsi128_si32(_mm_packs_epi16(words, words));
  memcpy(p, &word, sizeof(word));
}
STATELINE_INLINE vi multiply_pairs(vs a, vs b) { return (vi)_mm_madd_epi16((__m128i)a, (__m128i)b); }

#endif

#if !STATELINE_AVX512
STATELINE_INLINE float sum(vf x) {
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += x[i];
  return total;
}
STATELINE_INLINE float largest(vf x) {
  float value = x[0];
  for (int i = 1; i < kLanes; ++i) value = x[i] > value ? x[i] : value;
  return value;
}
#endif

STATELINE_INLINE bool any(vi mask) { return lanes(mask) != 0; }  // lanes(): a bit for each

// The kDoubles values at p.
STATELINE_INLINE vd load_doubles(const float* p) {
  typedef float Half __attribute__((vector_size(sizeof(vf) / 2)));
  Half half;
  memcpy(&half, p, sizeof(half));
  return __builtin_convertvector(half, vd);
}

STATELINE_INLINE vf from_bf16(Halves x) { return floats(widen(x) << 16); }

// The bits of x rounded to bf16, nearest even, in the high half of each lane; the low half is zero. NaN stays NaN.
STATELINE_INLINE vu round_bf16(vf x) {
  const vu u = bits(x);
  const vu rounded = u + 0x7fffu + ((u >> 16) & 1u);
  const vu quiet = u | 0x400000u;
  return select((vi)(x == x), rounded, quiet) & 0xffff0000u;
}
STATELINE_INLINE Halves to_bf16(vf x) { return narrow(round_bf16(x) >> 16); }

}  // namespace stateline::cpu::STATELINE_ISA
