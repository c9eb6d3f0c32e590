// Values to and from the wire, and their sum over ranks in one pass. Tails go through the same code on a padded copy.
#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/simd.h"

namespace stateline::cpu::STATELINE_ISA {
namespace {

struct F16 {
  static inline __attribute__((always_inline)) vf load(const uint16_t* p) { return from_f16(load_halves(p)); }
  static inline __attribute__((always_inline)) Halves encode(vf x) { return to_f16(x); }
};
struct Bf16 {
  static inline __attribute__((always_inline)) vf load(const uint16_t* p) { return from_bf16(load_halves(p)); }
  static inline __attribute__((always_inline)) Halves encode(vf x) { return to_bf16(x); }
};

template <class Type>
STATELINE_INLINE void encode_halves(const float* in, uint16_t* out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_halves(out + i, Type::encode(load(in + i)));
  if (i < n) {
    uint16_t rest[kLanes];
    store_halves(rest, Type::encode(load(in + i, n - i)));
    memcpy(out + i, rest, (n - i) * sizeof(uint16_t));
  }
}

template <class Type>
STATELINE_INLINE void sum_halves(const uint16_t* const* parts, int count, float* out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    vf total = Type::load(parts[0] + i);
    for (int r = 1; r < count; ++r) total += Type::load(parts[r] + i);
    store(out + i, total);
  }
  if (i < n) {
    vf total = {};
    for (int r = 0; r < count; ++r) {
      uint16_t rest[kLanes] = {};
      memcpy(rest, parts[r] + i, (n - i) * sizeof(uint16_t));
      total = r == 0 ? Type::load(rest) : total + Type::load(rest);
    }
    store(out + i, total, n - i);
  }
}

// 127 steps of a scale reach `most` but never infinity. Below tiny() f32's own steps are too wide for the nearest one.
constexpr float kMostScale = 0x1.020406p+121f;
STATELINE_INLINE bool tiny(float most) { return most < 0x1p-100f; }
STATELINE_INLINE float scale_of(float most) {
  float scale = most / 127.0f;
  if (!tiny(most)) return scale < kMostScale ? scale : kMostScale;
  if (scale * 127.0f < most) scale = __builtin_nextafterf(scale, 1.0f);
  return scale;
}

// One group; returns its scale.
STATELINE_INLINE float encode_group(const float* in, int64_t n, int8_t* out) {
  vf amax = {}, poison = {};
  int64_t i = 0;
  for (; i < n; i += kLanes) {
    const vf x = n - i < kLanes ? load(in + i, n - i) : load(in + i);
    amax = max(magnitude(x), amax);
    poison += x * 0.0f;  // NaN once a value is NaN or infinite
  }
  const float bad = sum(poison);
  const float most = largest(amax);
  if (bad != bad || most == 0.0f) {
    memset(out, 0, n);
    return bad != bad ? __builtin_nanf("") : 0.0f;
  }
  const float scale = scale_of(most);
  // 1 / scale overflows for the tiniest groups, so those are enlarged first.
  const float enlarge = tiny(most) ? 0x1p80f : 1.0f;
  const vf factor = set(tiny(most) ? 1.0f / (scale * enlarge) : 127.0f / most);
  for (i = 0; i + kLanes <= n; i += kLanes) store_bytes(out + i, load(in + i) * enlarge * factor);
  if (i < n) {
    int8_t rest[kLanes];
    store_bytes(rest, load(in + i, n - i) * enlarge * factor);
    memcpy(out + i, rest, n - i);
  }
  return scale;
}

}  // namespace

void encode_f16(const float* in, uint16_t* out, int64_t n) { encode_halves<F16>(in, out, n); }
void encode_bf16(const float* in, uint16_t* out, int64_t n) { encode_halves<Bf16>(in, out, n); }
void sum_f16(const uint16_t* const* parts, int count, float* out, int64_t n) { sum_halves<F16>(parts, count, out, n); }
void sum_bf16(const uint16_t* const* parts, int count, float* out, int64_t n) {
  sum_halves<Bf16>(parts, count, out, n);
}

void sum_f32(const float* const* parts, int count, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t some = n - i < kLanes ? n - i : kLanes;
    vf total = some < kLanes ? load(parts[0] + i, some) : load(parts[0] + i);
    for (int r = 1; r < count; ++r) total += some < kLanes ? load(parts[r] + i, some) : load(parts[r] + i);
    if (some < kLanes) {
      store(out + i, total, some);
    } else {
      store(out + i, total);
    }
  }
}

void encode_int8(const float* in, int64_t n, int32_t group, int8_t* out, float* scales) {
  for (int64_t begin = 0; begin < n; begin += group) {
    *scales++ = encode_group(in + begin, n - begin < group ? n - begin : group, out + begin);
  }
}

void sum_int8(const int8_t* const* parts, const float* const* scales, int count, int32_t group, float* out, int64_t n) {
  int64_t g = 0;
  for (int64_t begin = 0; begin < n; begin += group, ++g) {
    const int64_t end = n - begin < group ? n : begin + group;
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      vf total = load_bytes(parts[0] + i) * scales[0][g];
      for (int r = 1; r < count; ++r) total = fma(load_bytes(parts[r] + i), set(scales[r][g]), total);
      store(out + i, total);
    }
    if (i < end) {
      vf total = {};
      for (int r = 0; r < count; ++r) {
        int8_t rest[kLanes] = {};
        memcpy(rest, parts[r] + i, end - i);
        const vf value = load_bytes(rest);
        total = r == 0 ? value * scales[0][g] : fma(value, set(scales[r][g]), total);
      }
      store(out + i, total, end - i);
    }
  }
}

}  // namespace stateline::cpu::STATELINE_ISA
