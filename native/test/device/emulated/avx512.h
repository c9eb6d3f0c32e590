// The AVX-512 intrinsics that device/cpu/kernels uses, as loops over lanes after Intel's pseudo-code: the AVX-512
// tables compiled over them are tested on every x86-64 CPU that has AVX2. Included ahead of a kernel's source by the
// compiler's command line.
#pragma once

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define STATELINE_REGISTER "+m"
#define EMULATED static inline __attribute__((always_inline))

namespace {

typedef int32_t Lanes __attribute__((vector_size(64), may_alias));
typedef float SixteenFloats __attribute__((vector_size(64), may_alias));

template <class Result, class Lane>
EMULATED Result each(int count, const Lane& lane) {
  Result out = {};
  for (int i = 0; i < count; ++i) out[i] = lane(i);
  return out;
}

template <class Lane>
EMULATED __m512 floats(const Lane& lane) {
  return (__m512)each<SixteenFloats>(16, lane);
}

template <class Lane>
EMULATED __m512i integers(const Lane& lane) {
  return (__m512i)each<Lanes>(16, lane);
}

EMULATED float bf16(uint32_t bits) {
  bits <<= 16;
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

EMULATED __m512 emulated_set1_ps(float x) {
  return floats([&](int) { return x; });
}
EMULATED __m512i emulated_set1_epi32(int32_t x) {
  return integers([&](int) { return x; });
}
EMULATED __m512 emulated_loadu_ps(const void* p) {
  __m512 x;
  memcpy(&x, p, sizeof(x));
  return x;
}
EMULATED __m512i emulated_loadu_si512(const void* p) {
  __m512i x;
  memcpy(&x, p, sizeof(x));
  return x;
}
EMULATED __m512 emulated_maskz_loadu_ps(__mmask16 mask, const void* p) {
  return floats([&](int i) {
    float value = 0;
    if (mask >> i & 1) memcpy(&value, (const char*)p + 4 * i, 4);
    return value;
  });
}
EMULATED void emulated_storeu_ps(void* p, __m512 x) { memcpy(p, &x, sizeof(x)); }
EMULATED void emulated_mask_storeu_ps(void* p, __mmask16 mask, __m512 x) {
  for (int i = 0; i < 16; ++i) {
    const float value = x[i];
    if (mask >> i & 1) memcpy((char*)p + 4 * i, &value, 4);
  }
}

EMULATED __m512 emulated_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  const __m256* left = (const __m256*)&a;
  const __m256* right = (const __m256*)&b;
  const __m256* sum = (const __m256*)&c;
  const __m256 halves[2] = {_mm256_fmadd_ps(left[0], right[0], sum[0]), _mm256_fmadd_ps(left[1], right[1], sum[1])};
  return emulated_loadu_ps(halves);
}
EMULATED __m512d emulated_fmadd_pd(__m512d a, __m512d b, __m512d c) {
  const __m256d* left = (const __m256d*)&a;
  const __m256d* right = (const __m256d*)&b;
  const __m256d* sum = (const __m256d*)&c;
  const __m256d halves[2] = {_mm256_fmadd_pd(left[0], right[0], sum[0]), _mm256_fmadd_pd(left[1], right[1], sum[1])};
  __m512d out;
  memcpy(&out, halves, sizeof(out));
  return out;
}
EMULATED __m512 emulated_maskz_compress_ps(__mmask16 mask, __m512 x) {
  SixteenFloats out = {};
  for (int i = 0, kept = 0; i < 16; ++i) {
    if (mask >> i & 1) out[kept++] = x[i];
  }
  return (__m512)out;
}
EMULATED __m512 emulated_min_ps(__m512 a, __m512 b) {
  return floats([&](int i) { return a[i] < b[i] ? a[i] : b[i]; });
}
EMULATED __m512 emulated_max_ps(__m512 a, __m512 b) {
  return floats([&](int i) { return a[i] > b[i] ? a[i] : b[i]; });
}
EMULATED float emulated_reduce_add_ps(__m512 x) {
  float sums[8];
  for (int i = 0; i < 8; ++i) sums[i] = x[i] + x[i + 8];
  for (int width = 4; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) sums[i] += sums[i + width];
  }
  return sums[0];
}
EMULATED __mmask16 emulated_test_epi32_mask(__m512i a, __m512i b) {
  const Lanes both = (Lanes)a & (Lanes)b;
  uint32_t mask = 0;
  for (int i = 0; i < 16; ++i) mask |= (both[i] != 0) << i;
  return (__mmask16)mask;
}
EMULATED float emulated_reduce_max_ps(__m512 x) {
  float most = x[0];
  for (int i = 1; i < 16; ++i) most = most > x[i] ? most : x[i];
  return most;
}
EMULATED __m512 emulated_roundscale_ps(__m512 x, int) {  // to nearest even, the one mode in use
  return floats([&](int i) { return __builtin_rintf(x[i]); });
}
EMULATED __m512 emulated_scalef_ps(__m512 a, __m512 b) {
  return floats([&](int i) {
    if (a[i] != a[i] || b[i] != b[i]) return a[i] + b[i];
    const float power = __builtin_floorf(b[i]);
    return __builtin_ldexpf(a[i], power > 400 ? 400 : power < -400 ? -400 : (int)power);
  });
}

EMULATED __m512i emulated_cvtepu16_epi32(__m256i x) {
  uint16_t halves[16];
  memcpy(halves, &x, sizeof(halves));
  return integers([&](int i) { return (int32_t)halves[i]; });
}
EMULATED __m256i emulated_cvtepi32_epi16(__m512i x) {
  const Lanes lanes = (Lanes)x;
  uint16_t halves[16];
  for (int i = 0; i < 16; ++i) halves[i] = (uint16_t)lanes[i];
  return _mm256_loadu_si256((const __m256i_u*)halves);
}
EMULATED __m512i emulated_cvtepi8_epi32(__m128i x) {
  int8_t bytes[16];
  memcpy(bytes, &x, sizeof(bytes));
  return integers([&](int i) { return (int32_t)bytes[i]; });
}
EMULATED __m128i emulated_cvtepi32_epi8(__m512i x) {
  const Lanes lanes = (Lanes)x;
  int8_t bytes[16];
  for (int i = 0; i < 16; ++i) bytes[i] = (int8_t)lanes[i];
  return _mm_loadu_si128((const __m128i_u*)bytes);
}
EMULATED __m512 emulated_cvtepi32_ps(__m512i x) {
  const Lanes lanes = (Lanes)x;
  return floats([&](int i) { return (float)lanes[i]; });
}
EMULATED __m512i emulated_cvtps_epi32(__m512 x) {
  return integers(
      [&](int i) { return x[i] >= -0x1p31f && x[i] < 0x1p31f ? (int32_t)__builtin_rintf(x[i]) : INT32_MIN; });
}
EMULATED __m512 emulated_cvtph_ps(__m256i x) {
  const __m128i* halves = (const __m128i*)&x;
  const __m256 both[2] = {_mm256_cvtph_ps(halves[0]), _mm256_cvtph_ps(halves[1])};
  return emulated_loadu_ps(both);
}
EMULATED __m256i emulated_cvtps_ph(__m512 x) {
  const __m256* halves = (const __m256*)&x;
  const __m128i both[2] = {_mm256_cvtps_ph(halves[0], _MM_FROUND_TO_NEAREST_INT),
                           _mm256_cvtps_ph(halves[1], _MM_FROUND_TO_NEAREST_INT)};
  return _mm256_loadu_si256((const __m256i_u*)both);
}

EMULATED __m512i emulated_madd_epi16(__m512i a, __m512i b) {
  int16_t left[32], right[32];
  memcpy(left, &a, sizeof(left));
  memcpy(right, &b, sizeof(right));
  return integers([&](int i) { return left[2 * i] * right[2 * i] + left[2 * i + 1] * right[2 * i + 1]; });
}
EMULATED __m512i emulated_dpbusd_epi32(__m512i sum, __m512i a, __m512i b) {
  uint8_t left[64];
  int8_t right[64];
  memcpy(left, &a, sizeof(left));
  memcpy(right, &b, sizeof(right));
  const Lanes lanes = (Lanes)sum;
  return integers([&](int i) {
    int32_t total = lanes[i];
    for (int k = 4 * i; k < 4 * i + 4; ++k) total += left[k] * right[k];
    return total;
  });
}
EMULATED __m512 emulated_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  uint32_t left[16], right[16];
  memcpy(left, &a, sizeof(left));
  memcpy(right, &b, sizeof(right));
  return floats([&](int i) {
    const float odd = bf16(left[i] >> 16) * bf16(right[i] >> 16) + sum[i];
    return bf16(left[i] & 0xffffu) * bf16(right[i] & 0xffffu) + odd;
  });
}
EMULATED __m128bh emulated_cvtneps_pbh(__m256 x) {
  uint16_t halves[8];
  for (int i = 0; i < 8; ++i) {
    const float value = x[i];
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    const bool number = value == value;
    halves[i] = (uint16_t)((number ? bits + 0x7fffu + (bits >> 16 & 1u) : bits | 0x400000u) >> 16);
  }
  __m128bh out;
  memcpy(&out, halves, sizeof(out));
  return out;
}

}  // namespace

#undef _mm512_cvtps_ph
#undef _mm512_roundscale_ps
#define _mm512_set1_ps emulated_set1_ps
#define _mm512_set1_epi32 emulated_set1_epi32
#define _mm512_loadu_ps emulated_loadu_ps
#define _mm512_loadu_si512 emulated_loadu_si512
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_storeu_ps emulated_storeu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_fmadd_ps emulated_fmadd_ps
#define _mm512_fmadd_pd emulated_fmadd_pd
#define _mm512_maskz_compress_ps emulated_maskz_compress_ps
#define _mm512_min_ps emulated_min_ps
#define _mm512_max_ps emulated_max_ps
#define _mm512_reduce_add_ps emulated_reduce_add_ps
#define _mm512_reduce_max_ps emulated_reduce_max_ps
#define _mm512_test_epi32_mask emulated_test_epi32_mask
#define _mm512_roundscale_ps emulated_roundscale_ps
#define _mm512_scalef_ps emulated_scalef_ps
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32
#define _mm512_cvtepi32_epi16 emulated_cvtepi32_epi16
#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32
#define _mm512_cvtepi32_epi8 emulated_cvtepi32_epi8
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_cvtps_epi32 emulated_cvtps_epi32
#define _mm512_cvtph_ps emulated_cvtph_ps
#define _mm512_cvtps_ph(x, mode) emulated_cvtps_ph(x)
#define _mm512_madd_epi16 emulated_madd_epi16
#define _mm512_dpbusd_epi32 emulated_dpbusd_epi32
#define _mm512_dpbf16_ps emulated_dpbf16_ps
#define _mm256_cvtneps_pbh emulated_cvtneps_pbh
