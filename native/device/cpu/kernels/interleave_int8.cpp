// Rows to groups of int8 words (kernels.h). Where one instruction multiplies four bytes it wants one side unsigned:
// that side is the weights, 128 too large, and each activation row brings -128 times its group's sum. Elsewhere
// activations are widened to 16 bits once, even neighbours in one word and odd ones in the next.
#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/shape.h"

namespace stateline::cpu::STATELINE_ISA {
namespace {

struct Group {
  int8_t values[kGroup];
  float scale;
};

// `n` neighbours of a row; values behind them are zero.
STATELINE_INLINE void fill(const float* values, int64_t n, Group& group) {
  if (n < kGroup) memset(group.values, 0, sizeof(group.values));
  encode_int8(values, n, kGroup, group.values, &group.scale);
}

STATELINE_INLINE int64_t words_of(int64_t values) { return (values + 3) / 4; }

STATELINE_INLINE void store_weights(const Group& group, int64_t words, int64_t lanes, uint32_t* out) {
  for (int64_t word = 0; word < words; ++word) {
    uint32_t four;
    memcpy(&four, group.values + 4 * word, sizeof(four));
#if STATELINE_VNNI
    four ^= 0x80808080u;
#endif
    out[word * lanes] = four;
  }
}

STATELINE_INLINE void store_activations(const Group& group, int64_t words, int64_t lanes, uint32_t* out) {
#if STATELINE_VNNI
  for (int64_t word = 0; word < words; ++word) memcpy(out + word * lanes, group.values + 4 * word, 4);
#else
  for (int64_t word = 0; word < words; ++word, out += 2 * lanes) {
    const int8_t* v = group.values + 4 * word;
    out[0] = (uint16_t)v[0] | (uint32_t)(uint16_t)v[2] << 16;
    out[lanes] = (uint16_t)v[1] | (uint32_t)(uint16_t)v[3] << 16;
  }
#endif
}

// `widen(row, index, n, buffer)` gives f32 neighbours of a row, in the buffer or where they lie.
template <class Widen>
STATELINE_INLINE void interleave_weights(Widen widen, const void* const* rows, int64_t count, int64_t columns,
                                         int64_t lanes, void* out) {
  uint32_t* to = static_cast<uint32_t*>(out);
  Group group;
  float buffer[kGroup];
  for (int64_t index = 0; index < columns; index += kGroup) {
    const int64_t n = columns - index < kGroup ? columns - index : kGroup, words = words_of(n);
    if (count < lanes) memset(to, 0, (1 + words) * lanes * sizeof(uint32_t));
    for (int64_t lane = 0; lane < count; ++lane) {
      fill(widen(rows[lane], index, n, buffer), n, group);
      memcpy(to + lane, &group.scale, sizeof(float));
      store_weights(group, words, lanes, to + lanes + lane);
    }
    to += (1 + words) * lanes;
  }
}

}  // namespace

void weights_int8_from_f32(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  const auto same = [](const void* row, int64_t index, int64_t, float*) {
    return static_cast<const float*>(row) + index;
  };
  interleave_weights(same, rows, count, columns, lanes, out);
}
void weights_int8_from_f16(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  const auto widen = [](const void* row, int64_t index, int64_t n, float* buffer) -> const float* {
    const uint16_t* halves = static_cast<const uint16_t*>(row) + index;
    sum_f16(&halves, 1, buffer, n);
    return buffer;
  };
  interleave_weights(widen, rows, count, columns, lanes, out);
}
void weights_int8_from_bf16(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  const auto widen = [](const void* row, int64_t index, int64_t n, float* buffer) -> const float* {
    const uint16_t* halves = static_cast<const uint16_t*>(row) + index;
    sum_bf16(&halves, 1, buffer, n);
    return buffer;
  };
  interleave_weights(widen, rows, count, columns, lanes, out);
}

void activations_int8(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out) {
  uint32_t* to = static_cast<uint32_t*>(out);
  Group group;
  for (int64_t index = 0; index < columns; index += kGroup) {
    const int64_t n = columns - index < kGroup ? columns - index : kGroup, words = words_of(n);
    for (int64_t lane = 0; lane < count; ++lane) {
      fill(static_cast<const float*>(rows[lane]) + index, n, group);
      memcpy(to + lane, &group.scale, sizeof(float));
#if STATELINE_VNNI
      int32_t total = 0;
      for (int64_t i = 0; i < n; ++i) total += group.values[i];
      total *= -128;
      memcpy(to + lanes + lane, &total, sizeof(total));
#endif
      store_activations(group, words, lanes, to + kActivationHeader * lanes + lane);
    }
    to += (kActivationHeader + words * kActivationWordsInt8) * lanes;
  }
}

}  // namespace stateline::cpu::STATELINE_ISA
