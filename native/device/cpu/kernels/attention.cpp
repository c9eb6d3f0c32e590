// Softmax attention of one head, a few queries at a time so that each key and value is read once for all of them. Keys
// come in blocks whose weights are normalised as they go: a running maximum rescales what was summed before
// (arXiv 1805.02867), so no row of scores is ever as long as the sequence.
#include "device/cpu/kernels/math.h"
#include "device/cpu/kernels/ops.h"

namespace stateline::cpu::STATELINE_ISA {

namespace {

constexpr int kQueries = 4;
constexpr int64_t kKeys = 64;
static_assert(kKeys % kLanes == 0);

// Sums of the queries that go together.
struct Running {
  alignas(64) float weights[kQueries][kKeys];
  float most[kQueries];   // largest score so far, in units of log2
  float total[kQueries];  // of the weights relative to it
};

template <int Q>
STATELINE_INLINE void scores(const Attention& at, const float* q, const float* key, float unit, Running& run,
                             int64_t column) {
  vf sums[Q] = {};
  int64_t i = 0;
  for (; i + kLanes <= at.head_dim; i += kLanes) {
    const vf k = load(key + i);
#pragma GCC unroll 4
    for (int query = 0; query < Q; ++query) sums[query] = fma(load(q + query * at.q_stride + i), k, sums[query]);
  }
  if (i < at.head_dim) {
    const int64_t count = at.head_dim - i;
    const vf k = load(key + i, count);
#pragma GCC unroll 4
    for (int query = 0; query < Q; ++query) {
      sums[query] = fma(load(q + query * at.q_stride + i, count), k, sums[query]);
    }
  }
#pragma GCC unroll 4
  for (int query = 0; query < Q; ++query) run.weights[query][column] = sum(sums[query]) * unit;
}

// Turns a query's scores of a block into weights, those of keys from `seen` on into zeros. Returns by how much what was
// summed before must be scaled.
STATELINE_INLINE float weigh(Running& run, int query, int64_t seen) {
  float* row = run.weights[query];
  if (seen == 0) {
    memset(row, 0, kKeys * sizeof(float));
    return 1;
  }
  for (int64_t i = seen; i < kKeys; ++i) row[i] = -__builtin_inff();
  vf most = set(run.most[query]);
  for (int64_t i = 0; i < kKeys; i += kLanes) most = max(load(row + i), most);
  const float now = largest(most);
  vf total = vf{};
  for (int64_t i = 0; i < kKeys; i += kLanes) {
    store(row + i, exp2(load(row + i) - set(now)));
    for (int64_t hidden = seen > i ? seen : i; hidden < i + kLanes; ++hidden) row[hidden] = 0;
    total += load(row + i);
  }
  const vf before = exp2(set(run.most[query] - now));
  const float scale = run.most[query] == -__builtin_inff() ? 0 : largest(before);
  run.most[query] = now;
  run.total[query] = run.total[query] * scale + sum(total);
  return scale;
}

// out = out · scale + Σ_key weight · value, all dimensions in strips that stay in registers.
template <int Q>
STATELINE_INLINE void gather(const Attention& at, const float* values, int64_t keys, const Running& run,
                             const float* scales, float* out) {
  for (int64_t i = 0; i < at.head_dim; i += kLanes) {
    const int64_t count = at.head_dim - i < kLanes ? at.head_dim - i : kLanes;
    vf sums[Q];
#pragma GCC unroll 4
    for (int query = 0; query < Q; ++query) {
      sums[query] = load(out + query * at.out_stride + i, count) * set(scales[query]);
    }
    for (int64_t key = 0; key < keys; ++key) {
      const float* row = values + key * at.cache_stride + i;
      const vf value = count == kLanes ? load(row) : load(row, count);
#pragma GCC unroll 4
      for (int query = 0; query < Q; ++query) sums[query] = fma(set(run.weights[query][key]), value, sums[query]);
    }
#pragma GCC unroll 4
    for (int query = 0; query < Q; ++query) store(out + query * at.out_stride + i, sums[query], count);
  }
}

template <int Q>
void queries(const Attention& at, int64_t first) {
  const float* q = at.q + first * at.q_stride;
  float* out = at.out + first * at.out_stride;
  const float unit = at.scale * 1.44269504f;  // log2(e): weights are powers of two
  Running run;
  for (int query = 0; query < Q; ++query) {
    run.most[query] = -__builtin_inff();
    run.total[query] = 0;
    memset(out + query * at.out_stride, 0, at.head_dim * sizeof(float));
  }
  const int64_t all = at.position + first + Q;  // keys that the last query sees
  for (int64_t begin = 0; begin < all; begin += kKeys) {
    const int64_t keys = all - begin < kKeys ? all - begin : kKeys;
    for (int64_t key = 0; key < keys; ++key) {
      scores<Q>(at, q, at.keys + (begin + key) * at.cache_stride, unit, run, key);
    }
    float scales[Q];
    for (int query = 0; query < Q; ++query) {
      const int64_t seen = at.position + first + query + 1 - begin;
      scales[query] = weigh(run, query, seen < 0 ? 0 : seen < keys ? seen : keys);
    }
    gather<Q>(at, at.values + begin * at.cache_stride, keys, run, scales, out);
  }
  for (int query = 0; query < Q; ++query) {
    float* row = out + query * at.out_stride;
    const vf scale = set(1.0f / run.total[query]);
    for (int64_t i = 0; i < at.head_dim; i += kLanes) {
      const int64_t count = at.head_dim - i < kLanes ? at.head_dim - i : kLanes;
      store(row + i, load(row + i, count) * scale, count);
    }
  }
}

}  // namespace

void attention(const Attention& at) {
  int64_t first = 0;
  for (; first + kQueries <= at.tokens; first += kQueries) queries<kQueries>(at, first);
  for (; first < at.tokens; ++first) queries<1>(at, first);
}

}  // namespace stateline::cpu::STATELINE_ISA
