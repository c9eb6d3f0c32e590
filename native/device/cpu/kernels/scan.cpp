// Selective scan of one segment, vectorised over channels; a decode step is a segment of one token.
//
// A block of kBlock channels goes through all tokens before the next one starts, with its states and its A beside one
// another in the first-level cache: in [states, channels] memory their rows are far apart and, at the usual channel
// counts, fall on the same few cache sets. Each state costs nine multiplications' time (Δ·a, 2^x, Δu·B, two sums), and
// B and C are broadcast once for all vectors of the block. A few tokens do not repay the copy: their states are asked
// for two blocks ahead, where the hardware does not see them coming.
#include "device/cpu/kernels/math.h"
#include "device/cpu/kernels/ops.h"

namespace stateline::cpu::STATELINE_ISA {
namespace {

constexpr int kVectors = 4;
constexpr int64_t kBlock = kVectors * kLanes;
constexpr int64_t kLocalStates = 64;  // more states than this stay where they are
constexpr int64_t kPrefetch = 4;      // tokens ahead: rows lie too far apart for the hardware to see them coming

// Rows of A and of the states of one block of channels.
struct Rows {
  const float* a;
  float* s;
  int64_t stride;
  bool local;  // copied to where they lie side by side
};

// Asks for V vectors to be read and written. Cores with AVX-512 keep up without.
template <int V>
STATELINE_INLINE void prefetch(const float* s) {
#if !STATELINE_AVX512
  constexpr int kLine = 16;
#pragma GCC unroll 4
  for (int i = 0; i < V * kLanes; i += kLine) __builtin_prefetch(s + i, 1);
#else
  (void)s;
#endif
}

template <int V, bool Whole>
STATELINE_INLINE vf load_at(const float* p, int v, int64_t last) {
  if (Whole || v + 1 < V) return load(p + v * kLanes);
  return load(p + v * kLanes, last);
}
template <int V, bool Whole>
STATELINE_INLINE void store_at(float* p, int v, int64_t last, vf x) {
  if (Whole || v + 1 < V) {
    store(p + v * kLanes, x);
  } else {
    store(p + v * kLanes, x, last);
  }
}

// V vectors of channels from `begin` on, the last with `last` channels, unless Whole.
template <int V, bool Whole>
void steps(const Scan& scan, const Rows& rows, int64_t begin, int64_t last) {
  for (int64_t t = 0; t < scan.tokens; ++t) {
    const float* u = scan.u + t * scan.u_stride + begin;
    const float* delta = scan.delta + t * scan.delta_stride + begin;
    const float* z = scan.z + t * scan.z_stride + begin;
    const float* b = scan.b + t * scan.b_stride;
    const float* c = scan.c + t * scan.c_stride;
    float* out = scan.out + t * scan.out_stride + begin;
    if (t + kPrefetch < scan.tokens) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        _mm_prefetch((const char*)(u + kPrefetch * scan.u_stride + v * kLanes), _MM_HINT_T0);
        _mm_prefetch((const char*)(delta + kPrefetch * scan.delta_stride + v * kLanes), _MM_HINT_T0);
        _mm_prefetch((const char*)(z + kPrefetch * scan.z_stride + v * kLanes), _MM_HINT_T0);
      }
    }

    vf dt[V], du[V], y[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      dt[v] = softplus(load_at<V, Whole>(delta, v, last));
      du[v] = dt[v] * load_at<V, Whole>(u, v, last);
      y[v] = vf{};
    }
    const float* a = rows.a;
    float* s = rows.s;
    for (int64_t n = 0; n < scan.states; ++n, a += rows.stride, s += rows.stride) {
      if (!rows.local) prefetch<V>(s + 2 * V * kLanes);
      vf decay[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) decay[v] = dt[v] * load_at<V, Whole>(a, v, last);
      exp2_decay(decay);
      const vf bn = set(b[n]), cn = set(c[n]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const vf state = fma(decay[v], load_at<V, Whole>(s, v, last), du[v] * bn);
        store_at<V, Whole>(s, v, last, state);
        y[v] = fma(state, cn, y[v]);
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const vf skip = load_at<V, Whole>(scan.d + begin, v, last);
      const vf value = fma(skip, load_at<V, Whole>(u, v, last), y[v]);
      store_at<V, Whole>(out, v, last, value * silu(load_at<V, Whole>(z, v, last)));
    }
  }
}

template <int V, bool Whole>
void block(const Scan& scan, int64_t begin, int64_t channels) {
  const int64_t last = channels - (V - 1) * kLanes;
  const float* a = scan.a + begin;
  float* s = scan.state + begin;
  if (scan.tokens < 4 || scan.states > kLocalStates) {
    steps<V, Whole>(scan, {a, s, scan.channels, false}, begin, last);
    return;
  }
  alignas(64) float local_a[kLocalStates * V * kLanes];
  alignas(64) float local_s[kLocalStates * V * kLanes];
  const size_t row = channels * sizeof(float);
  for (int64_t n = 0; n < scan.states; ++n) {
    memcpy(local_a + n * V * kLanes, a + n * scan.channels, row);
    memcpy(local_s + n * V * kLanes, s + n * scan.channels, row);
  }
  steps<V, Whole>(scan, {local_a, local_s, V * kLanes, true}, begin, last);
  for (int64_t n = 0; n < scan.states; ++n) memcpy(s + n * scan.channels, local_s + n * V * kLanes, row);
}

}  // namespace

void scan(const Scan& scan, int64_t begin, int64_t end) {
  for (; begin + kBlock <= end; begin += kBlock) block<kVectors, true>(scan, begin, kBlock);
  for (; begin + kLanes <= end; begin += kLanes) block<1, true>(scan, begin, kLanes);
  if (begin < end) block<1, false>(scan, begin, end - begin);
}

}  // namespace stateline::cpu::STATELINE_ISA
