// Device::attention: appends keys and values to their slots, then softmax over all that a query may see.
//
// A warp holds a query's row and its weighted sum in registers, kLane values a lane (16 for Zamba's 464), and takes a
// key at a time with a running maximum (arXiv 1805.02867). In prefill each warp of a block has queries of its own and
// all go through the same keys, which the first-level cache so reads once; in decode the warps of kPieces blocks share
// the keys of one query, and what they found is put together at the end. Pieces depend on the position alone, so a
// query's bits do not depend on the batch.
#include "device/cuda/common.cuh"

namespace stateline::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int64_t kPiece = 256;  // keys of a decode block
constexpr int kExtra = 4;        // floats behind a piece's sums: maximum, total, padding

// Pieces that so many keys are cut into.
__host__ __device__ constexpr int64_t pieces_of(int64_t keys) { return (keys + kPiece - 1) / kPiece; }

// Sums of one query over some keys, relative to 2^most.
template <int kLane>
struct Found {
  float sums[kLane] = {};
  float most = -INFINITY;
  float total = 0;

  __device__ __forceinline__ void rescale(float now) {
    const float factor = exp2_fast(most - now);  // 0 at first
    total *= factor;
#pragma unroll
    for (int i = 0; i < kLane; ++i) sums[i] *= factor;
    most = now;
  }
};

// Index in the head of value i of a lane; kVector: pieces of four.
template <bool kVector>
__device__ __forceinline__ int64_t dimension(int i, int lane) {
  return kVector ? (i / 4 * kWarpSize + lane) * 4 + i % 4 : i * kWarpSize + lane;
}

template <int kLane, bool kVector>
__device__ __forceinline__ void read_row(const float* row, int64_t size, int lane, float (&out)[kLane]) {
  constexpr int kRead = kVector ? 4 : 1;
#pragma unroll
  for (int i = 0; i < kLane; i += kRead) {
    const int64_t at = dimension<kVector>(i, lane);
    float values[kRead] = {};
    if (at < size) read_floats<kRead>(row + at, values);
#pragma unroll
    for (int j = 0; j < kRead; ++j) out[i + j] = values[j];
  }
}

// Keys begin, begin + step, … below end for kQueries queries, of which query i sees seen[i] keys.
template <int kLane, int kQueries, bool kVector>
__device__ __forceinline__ void attend(const float* keys, const float* values, int64_t stride, int64_t size,
                                       const float (&q)[kQueries][kLane], const int64_t (&seen)[kQueries],
                                       int64_t begin, int64_t end, int step, int lane,
                                       Found<kLane> (&found)[kQueries]) {
  for (int64_t key = begin; key < end; key += step) {
    float row[kLane], score[kQueries] = {};
    read_row<kLane, kVector>(keys + key * stride, size, lane, row);
#pragma unroll
    for (int query = 0; query < kQueries; ++query) {
#pragma unroll
      for (int i = 0; i < kLane; ++i) score[query] = fmaf(q[query][i], row[i], score[query]);
      score[query] = warp_sum(score[query]);
    }
    read_row<kLane, kVector>(values + key * stride, size, lane, row);
#pragma unroll
    for (int query = 0; query < kQueries; ++query) {
      if (key >= seen[query]) continue;
      Found<kLane>& own = found[query];
      if (score[query] > own.most) own.rescale(score[query]);
      const float weight = exp2_fast(score[query] - own.most);
      own.total += weight;
#pragma unroll
      for (int i = 0; i < kLane; ++i) own.sums[i] = fmaf(weight, row[i], own.sums[i]);
    }
  }
}

template <int kLane, bool kVector>
__device__ __forceinline__ void load_query(const Attention& at, int64_t row, int64_t head, int lane,
                                           float (&q)[kLane]) {
  read_row<kLane, kVector>(at.q.data + row * at.q.stride + head * at.head_dim, at.head_dim, lane, q);
#pragma unroll
  for (int i = 0; i < kLane; ++i) q[i] *= at.scale * kLog2E;  // weights are powers of two
}

template <int kLane, bool kVector>
__device__ __forceinline__ void store_row(float* out, int64_t size, int lane, const float (&values)[kLane],
                                          float factor) {
#pragma unroll
  for (int i = 0; i < kLane; ++i) {
    const int64_t at = dimension<kVector>(i, lane);
    if (at < size) out[at] = values[i] * factor;
  }
}

template <int kLane, int kQueries, bool kVector>
__global__ void __launch_bounds__(kThreads, kLane < 32 ? 2 : 1) attend_prefill(Attention at, const Segment* segments) {
  const Segment segment = segments[blockIdx.z];
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int64_t head = blockIdx.x;
  const int64_t first = (static_cast<int64_t>(blockIdx.y) * kWarps + warp) * kQueries;
  if (first >= segment.length) return;
  const int64_t column = head / (at.heads / at.kv_heads) * at.head_dim, stride = at.kv_heads * at.head_dim;
  float q[kQueries][kLane];
  int64_t seen[kQueries];
  Found<kLane> found[kQueries];
#pragma unroll
  for (int i = 0; i < kQueries; ++i) {
    const int64_t t = first + i < segment.length ? first + i : segment.length - 1;
    load_query<kLane, kVector>(at, segment.begin + t, head, lane, q[i]);
    seen[i] = segment.position + t + 1;
  }
  const int64_t slot = segment.slot * at.slot_stride + column;
  attend<kLane, kQueries, kVector>(at.keys + slot, at.values + slot, stride, at.head_dim, q, seen, 0,
                                   seen[kQueries - 1], 1, lane, found);
#pragma unroll
  for (int i = 0; i < kQueries; ++i) {
    if (first + i >= segment.length) continue;
    float* out = at.out.data + (segment.begin + first + i) * at.out.stride + head * at.head_dim;
    store_row<kLane, kVector>(out, at.head_dim, lane, found[i].sums, 1.0f / found[i].total);
  }
}

template <int kLane, bool kVector>
__global__ void __launch_bounds__(kThreads, kLane < 32 ? 2 : 1) attend_decode(Attention at, const Segment* segments) {
  const Segment segment = segments[blockIdx.z];
  if (segment.length == 0) return;
  const int64_t all = segment.position + 1, begin = static_cast<int64_t>(blockIdx.y) * kPiece;
  if (begin >= all) return;
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int64_t head = blockIdx.x;
  const int64_t column = head / (at.heads / at.kv_heads) * at.head_dim, stride = at.kv_heads * at.head_dim;
  const int64_t slot = segment.slot * at.slot_stride + column;
  float q[1][kLane];
  const int64_t seen[1] = {all};
  Found<kLane> found[1];
  load_query<kLane, kVector>(at, segment.begin, head, lane, q[0]);
  attend<kLane, 1, kVector>(at.keys + slot, at.values + slot, stride, at.head_dim, q, seen, begin + warp,
                            begin + kPiece < all ? begin + kPiece : all, kWarps, lane, found);

  // Sums of the warps, one after another into shared memory: [head_dim] and a word each of maximum and total.
  float* sums = shared_memory<float>();
  float* mosts = sums + at.head_dim;
  float* totals = mosts + kWarps;
  if (lane == 0) mosts[warp] = found[0].most;
  for (int64_t i = threadIdx.x; i < at.head_dim; i += kThreads) sums[i] = 0;
  __syncthreads();
  float most = -INFINITY;
  for (int i = 0; i < kWarps; ++i) most = fmaxf(most, mosts[i]);
  if (most != -INFINITY) {  // else every score was NaN or -inf, and the totals say so
    if (found[0].most == -INFINITY) {
      found[0].most = most;
    } else {
      found[0].rescale(most);
    }
  }
  if (lane == 0) totals[warp] = found[0].total;
  for (int turn = 0; turn < kWarps; ++turn) {
    if (turn == warp) {
#pragma unroll
      for (int i = 0; i < kLane; ++i) {
        const int64_t d = dimension<kVector>(i, lane);
        if (d < at.head_dim) sums[d] += found[0].sums[i];
      }
    }
    __syncthreads();
  }
  float total = 0;
  for (int i = 0; i < kWarps; ++i) total += totals[i];
  if (gridDim.y == 1) {
    float* out = at.out.data + segment.begin * at.out.stride + head * at.head_dim;
    for (int64_t i = threadIdx.x; i < at.head_dim; i += kThreads) out[i] = sums[i] / total;
    return;
  }
  float* piece = at.workspace + ((blockIdx.z * at.heads + head) * gridDim.y + blockIdx.y) * (at.head_dim + kExtra);
  for (int64_t i = threadIdx.x; i < at.head_dim; i += kThreads) piece[i] = sums[i];
  if (threadIdx.x == 0) piece[at.head_dim] = most, piece[at.head_dim + 1] = total;
}

__global__ void __launch_bounds__(kThreads) join_pieces(Attention at, const Segment* segments, int64_t most_pieces) {
  const Segment segment = segments[blockIdx.y];
  if (segment.length == 0) return;
  const int64_t head = blockIdx.x, width = at.head_dim + kExtra, pieces = pieces_of(segment.position + 1);
  const float* piece = at.workspace + (blockIdx.y * at.heads + head) * most_pieces * width;
  float most = -INFINITY, total = 0;
  for (int64_t i = 0; i < pieces; ++i) most = fmaxf(most, piece[i * width + at.head_dim]);
  for (int64_t i = 0; i < pieces; ++i) {
    total = fmaf(piece[i * width + at.head_dim + 1], exp2_fast(piece[i * width + at.head_dim] - most), total);
  }
  float* out = at.out.data + segment.begin * at.out.stride + head * at.head_dim;
  for (int64_t d = threadIdx.x; d < at.head_dim; d += kThreads) {
    float sum = 0;
    for (int64_t i = 0; i < pieces; ++i) {
      sum = fmaf(piece[i * width + d], exp2_fast(piece[i * width + at.head_dim] - most), sum);
    }
    out[d] = sum / total;
  }
}

__global__ void __launch_bounds__(kThreads) append(Attention at, const Segment* segments) {
  const Segment segment = segments[blockIdx.z];
  const int64_t columns = at.kv_heads * at.head_dim;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= columns) return;
  for (int64_t t = blockIdx.y; t < segment.length; t += gridDim.y) {
    if (segment.position + t >= at.capacity) return;
    const int64_t to = segment.slot * at.slot_stride + (segment.position + t) * columns + column;
    at.keys[to] = at.k.data[(segment.begin + t) * at.k.stride + column];
    at.values[to] = at.v.data[(segment.begin + t) * at.v.stride + column];
  }
}

template <int kLane, int kQueries, bool kVector>
cudaError_t attend_heads(const Attention& at, DeviceSegments segments, cudaStream_t stream) {
  const unsigned heads = static_cast<unsigned>(at.heads), count = static_cast<unsigned>(segments.count);
  if (segments.longest > 1) {
    return launch(attend_prefill<kLane, kQueries, kVector>,
                  dim3(heads, grid_of(segments.longest, kWarps * kQueries), count), kThreads, 0, stream, at,
                  segments.data);
  }
  const int64_t pieces = pieces_of(at.capacity);
  const cudaError_t error =
      launch(attend_decode<kLane, kVector>, dim3(heads, static_cast<unsigned>(pieces), count), kThreads,
             (at.head_dim + 2 * kWarps) * static_cast<int64_t>(sizeof(float)), stream, at, segments.data);
  if (error || pieces == 1) return error;
  return launch(join_pieces, dim3(heads, count), kThreads, 0, stream, at, segments.data, pieces);
}

template <bool kVector>
cudaError_t attend_any(const Attention& at, DeviceSegments segments, cudaStream_t stream) {
  if (at.head_dim <= 128) return attend_heads<4, 4, kVector>(at, segments, stream);
  if (at.head_dim <= 256) return attend_heads<8, 4, kVector>(at, segments, stream);
  if (at.head_dim <= 512) return attend_heads<16, 2, kVector>(at, segments, stream);
  return attend_heads<32, 1, kVector>(at, segments, stream);
}

}  // namespace

int64_t attention_workspace(int64_t heads, int64_t head_dim, int64_t capacity, int32_t segments, int32_t longest) {
  const int64_t pieces = pieces_of(capacity);
  return longest > 1 || pieces <= 1 ? 0 : segments * heads * pieces * (head_dim + kExtra);
}

cudaError_t attention(const Attention& at, DeviceSegments segments, cudaStream_t stream) {
  if (segments.count == 0 || segments.longest == 0 || at.heads == 0) return cudaSuccess;
  if (at.head_dim < 1 || at.head_dim > kHeadDim || at.kv_heads < 1 || at.heads % at.kv_heads != 0) {
    return cudaErrorInvalidValue;
  }
  constexpr int64_t kMostRows = 1024;  // blocks along the tokens that are appended
  const int64_t rows = segments.longest < kMostRows ? segments.longest : kMostRows;
  const dim3 grid(grid_of(at.kv_heads * at.head_dim, kThreads), static_cast<unsigned>(rows),
                  static_cast<unsigned>(segments.count));
  if (const cudaError_t error = launch(append, grid, kThreads, 0, stream, at, segments.data)) return error;
  const bool vector = at.head_dim % 4 == 0 && aligned(at.q) && aligned(at.keys, at.slot_stride * 4) &&
                      aligned(at.values, at.slot_stride * 4);
  return vector ? attend_any<true>(at, segments, stream) : attend_any<false>(at, segments, stream);
}

}  // namespace stateline::cuda
