// Search for large values, and what they weigh in a softmax.
#include "device/cpu/kernels/math.h"
#include "device/cpu/kernels/ops.h"

namespace stateline::cpu::STATELINE_ISA {

int64_t first_above(const float* values, int64_t begin, int64_t end, float least) {
  constexpr int kVectors = 4;
  const vf bound = set(least);
  int64_t i = begin;
  for (; i + kVectors * kLanes <= end; i += kVectors * kLanes) {
    vi above = {};
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) above |= ~(load(values + i + v * kLanes) <= bound);
    if (any(above)) break;
  }
  while (i < end && values[i] <= least) ++i;
  return i;
}

namespace {

alignas(64) const int32_t kNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// Writes the lanes of `mask` one after the other; returns how many.
STATELINE_INLINE int64_t compress(uint32_t mask, vf values, vi ids, float* out_values, int32_t* out_ids) {
#if STATELINE_AVX512
  const int64_t kept = __builtin_popcount(mask);
  store(out_values, _mm512_maskz_compress_ps((__mmask16)mask, values), kept);
  store(out_ids, _mm512_maskz_compress_ps((__mmask16)mask, (vf)ids), kept);
  return kept;
#else
  float value[kLanes];
  int32_t id[kLanes];
  store(value, values);
  store(id, (vf)ids);
  int64_t kept = 0;
  for (; mask != 0; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    out_values[kept] = value[lane];
    out_ids[kept++] = id[lane];
  }
  return kept;
#endif
}

// The difference of equal infinities is none: they weigh 1, and all others nothing.
double weigh_infinite(const float* logits, int64_t count, float best, double* weights) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double weight = logits[i] == best ? 1 : 0;
    if (weights) weights[i] = weight;
    sum += weight;
  }
  return sum;
}

}  // namespace

int64_t gather_between(const float* values, const int32_t* ids, int64_t begin, int64_t end, float least, float most,
                       float* out_values, int32_t* out_ids) {
  constexpr int kVectors = 4;
  const vf from = set(least), to = set(most);
  int64_t kept = 0;
  const auto take = [&](int64_t i, int64_t n) __attribute__((always_inline)) {
    const vf x = load(values + i, n);
    const uint32_t mask = lanes((vi)(x >= from) & (vi)(x <= to)) & ((1u << n) - 1u);
    const vi own = ids ? (vi)load(ids + i, n) : (vi)load(kNumbers) + (int32_t)i;
    if (mask) kept += compress(mask, x, own, out_values + kept, out_ids + kept);
  };
  int64_t i = begin;
  for (; i + kVectors * kLanes <= end; i += kVectors * kLanes) {
    vi some = {};
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) some |= (vi)(load(values + i + v * kLanes) >= from);
    if (!any(some)) continue;
    for (int v = 0; v < kVectors; ++v) take(i + v * kLanes, kLanes);
  }
  for (; i < end; i += kLanes) take(i, end - i < kLanes ? end - i : kLanes);
  return kept;
}

double weigh(const float* logits, int64_t count, float best, double rate, double* weights) {
  constexpr int kVectors = 4;
  if (best - best != 0) return weigh_infinite(logits, count, best, weights);
  const double top = best;
  vd sums[kVectors] = {};
  const auto of = [&](const float* p) __attribute__((always_inline)) { return exp2((load_doubles(p) - top) * rate); };
  int64_t i = 0;
  for (; i + kVectors * kDoubles <= count; i += kVectors * kDoubles) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const vd weight = of(logits + i + v * kDoubles);
      if (weights) memcpy(weights + i + v * kDoubles, &weight, sizeof(weight));
      sums[v] += weight;
    }
  }
  for (; i < count; i += kDoubles) {
    const int64_t n = count - i < kDoubles ? count - i : kDoubles;
    float some[kDoubles];
    for (int64_t lane = 0; lane < kDoubles; ++lane) some[lane] = logits[lane < n ? i + lane : i];
    const vd weight = of(some);
    for (int64_t lane = 0; lane < n; ++lane) {
      const double each = weight[lane];
      if (weights) weights[i + lane] = each;
      sums[0][lane] += each;
    }
  }
  const vd sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double total = 0;
  for (int64_t lane = 0; lane < kDoubles; ++lane) total += sum[lane];
  return total;
}

}  // namespace stateline::cpu::STATELINE_ISA
