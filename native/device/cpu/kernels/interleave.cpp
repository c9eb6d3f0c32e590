// Rows to columns of words, converting on the way: the layout both operands of the matrix kernels have. Four rows of
// four words are transposed in registers at a time; SSE registers serve every instruction set, since this is bound by
// memory for weights and small beside the product for activations.
#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/simd.h"

namespace stateline::cpu::STATELINE_ISA {
namespace {

STATELINE_INLINE __m128 floats_of(const float* p) { return _mm_loadu_ps(p); }

// Four f16 values, widened.
STATELINE_INLINE __m128 floats_of_f16(const uint16_t* p) {
  const __m128i halves = _mm_loadl_epi64((const __m128i_u*)p);
#if STATELINE_SSE2
  return from_f16(halves);
#else
  return _mm_cvtph_ps(halves);
#endif
}

STATELINE_INLINE __m128 floats_of_bf16(const uint16_t* p) {
  return _mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), _mm_loadl_epi64((const __m128i_u*)p)));
}

// The bits of x rounded to bf16, nearest even, in the high halves.
STATELINE_INLINE __m128i rounded(__m128 x) {
  typedef uint32_t u4 __attribute__((vector_size(16)));
  typedef int32_t i4 __attribute__((vector_size(16)));
  const u4 u = (u4)x;
  const u4 value = u + 0x7fffu + ((u >> 16) & 1u);
  const u4 number = (u4)(i4)(x == x);
  return (__m128i)(((number & value) | (~number & (u | 0x400000u))) & 0xffff0000u);
}

// Eight floats as four words of two bf16 each.
STATELINE_INLINE __m128i pairs(__m128 low, __m128 high) {
  return _mm_packs_epi32(_mm_srai_epi32(rounded(low), 16), _mm_srai_epi32(rounded(high), 16));
}

// How four words are made of a row from element `index` on.
struct FloatsFromF32 {
  using Stored = float;
  static constexpr int kElements = 4;
  static inline __attribute__((always_inline)) __m128i words(const Stored* row, int64_t index) {
    return (__m128i)floats_of(row + index);
  }
};
struct FloatsFromF16 {
  using Stored = uint16_t;
  static constexpr int kElements = 4;
  static inline __attribute__((always_inline)) __m128i words(const Stored* row, int64_t index) {
    return (__m128i)floats_of_f16(row + index);
  }
};
struct FloatsFromBf16 {
  using Stored = uint16_t;
  static constexpr int kElements = 4;
  static inline __attribute__((always_inline)) __m128i words(const Stored* row, int64_t index) {
    return (__m128i)floats_of_bf16(row + index);
  }
};
struct PairsFromF32 {
  using Stored = float;
  static constexpr int kElements = 8;
  static inline __attribute__((always_inline)) __m128i words(const Stored* row, int64_t index) {
#if defined(STATELINE_ISA_avx512bf16)
    return (__m128i)_mm256_cvtneps_pbh(_mm256_loadu_ps(row + index));
#else
    return pairs(floats_of(row + index), floats_of(row + index + 4));
#endif
  }
};
struct PairsFromF16 {
  using Stored = uint16_t;
  static constexpr int kElements = 8;
  static inline __attribute__((always_inline)) __m128i words(const Stored* row, int64_t index) {
    return pairs(floats_of_f16(row + index), floats_of_f16(row + index + 4));
  }
};
struct PairsFromBf16 {
  using Stored = uint16_t;
  static constexpr int kElements = 8;
  static inline __attribute__((always_inline)) __m128i words(const Stored* row, int64_t index) {
    return _mm_loadu_si128((const __m128i_u*)(row + index));
  }
};
struct RoundedFloats {
  using Stored = float;
  static constexpr int kElements = 4;
  static inline __attribute__((always_inline)) __m128i words(const Stored* row, int64_t index) {
    return rounded(floats_of(row + index));
  }
};

STATELINE_INLINE void transpose(__m128i (&w)[4]) {
  const __m128i a = _mm_unpacklo_epi32(w[0], w[1]), b = _mm_unpacklo_epi32(w[2], w[3]);
  const __m128i c = _mm_unpackhi_epi32(w[0], w[1]), d = _mm_unpackhi_epi32(w[2], w[3]);
  w[0] = _mm_unpacklo_epi64(a, b);
  w[1] = _mm_unpackhi_epi64(a, b);
  w[2] = _mm_unpacklo_epi64(c, d);
  w[3] = _mm_unpackhi_epi64(c, d);
}

// `words` ≤ 4 words of Rows ≤ 4 rows to out[word][lane].
template <int Rows>
STATELINE_INLINE void scatter(__m128i (&w)[4], int64_t words, int64_t lanes, uint32_t* out) {
  if (Rows == 1 && lanes == 1) {
    memcpy(out, &w[0], words * sizeof(uint32_t));
    return;
  }
  transpose(w);
  for (int64_t i = 0; i < words; ++i) memcpy(out + i * lanes, &w[i], Rows * sizeof(uint32_t));
}

// Rows ≤ 4 rows to as many lanes.
template <class Form, int Rows>
STATELINE_INLINE void interleave_rows(const void* const* rows, int64_t columns, int64_t words, int64_t lanes,
                                      uint32_t* out) {
  using Stored = typename Form::Stored;
  int64_t index = 0, word = 0;
  __m128i w[4] = {};
  for (; index + Form::kElements <= columns; index += Form::kElements, word += 4) {
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i) w[i] = Form::words(static_cast<const Stored*>(rows[i]), index);
    scatter<Rows>(w, 4, lanes, out + word * lanes);
  }
  if (word == words) return;
  for (int i = 0; i < Rows; ++i) {
    Stored rest[Form::kElements] = {};
    memcpy(rest, static_cast<const Stored*>(rows[i]) + index, (columns - index) * sizeof(Stored));
    w[i] = Form::words(rest, 0);
  }
  scatter<Rows>(w, words - word, lanes, out + word * lanes);
}

template <class Form>
STATELINE_INLINE void interleave(const void* const* rows, int64_t count, int64_t columns, int64_t words, int64_t lanes,
                                 void* out) {
  if (count < lanes) memset(out, 0, words * lanes * sizeof(uint32_t));
  uint32_t* to = static_cast<uint32_t*>(out);
  for (; count >= 4; count -= 4, rows += 4, to += 4) interleave_rows<Form, 4>(rows, columns, words, lanes, to);
  if (count == 3) interleave_rows<Form, 3>(rows, columns, words, lanes, to);
  if (count == 2) interleave_rows<Form, 2>(rows, columns, words, lanes, to);
  if (count == 1) interleave_rows<Form, 1>(rows, columns, words, lanes, to);
}

}  // namespace

void weights_f32_from_f32(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  interleave<FloatsFromF32>(rows, count, columns, columns, lanes, out);
}
void weights_f32_from_f16(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  interleave<FloatsFromF16>(rows, count, columns, columns, lanes, out);
}
void weights_f32_from_bf16(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  interleave<FloatsFromBf16>(rows, count, columns, columns, lanes, out);
}
void weights_bf16_from_f32(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  interleave<PairsFromF32>(rows, count, columns, (columns + 1) / 2, lanes, out);
}
void weights_bf16_from_f16(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  interleave<PairsFromF16>(rows, count, columns, (columns + 1) / 2, lanes, out);
}
void weights_bf16_from_bf16(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  interleave<PairsFromBf16>(rows, count, columns, (columns + 1) / 2, lanes, out);
}
void activations_bf16(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
#if defined(STATELINE_ISA_avx512bf16)
  interleave<PairsFromF32>(rows, count, columns, (columns + 1) / 2, lanes, out);
#else
  interleave<RoundedFloats>(rows, count, columns, (columns + 1) / 2 * 2, lanes, out);
#endif
}

}  // namespace stateline::cpu::STATELINE_ISA
