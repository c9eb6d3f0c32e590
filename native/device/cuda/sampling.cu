// The largest logits of a row, in order, which is what greedy and top-k sampling need of it.
//
// A block a row; a vocabulary of 65536 stays in the second-level cache. top_k orders pairs (value, id) as one 64-bit
// key, larger for the lower id where values tie, so that keys are distinct and the answer is unique. Eight rounds of a
// histogram of 256 find the k-th key from its top byte down; the k keys not below it are then sorted.
#include "device/cuda/common.cuh"

namespace stateline::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kBins = 256;

// Orders as floats do; NaN above all.
__device__ __forceinline__ uint32_t ordered(float x) {
  if (x != x) return 0xffffffffu;
  const uint32_t bits = __float_as_uint(x == 0.0f ? 0.0f : x);  // -0 ties with 0
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ uint64_t key_of(float x, int64_t id) {
  return static_cast<uint64_t>(ordered(x)) << 32 | (0xffffffffu - static_cast<uint32_t>(id));
}

__global__ void __launch_bounds__(kThreads)
    select_largest(View<const float> logits, int32_t k, int sorted_size, int32_t* ids, float* values) {
  uint64_t* keys = shared_memory<uint64_t>();  // [sorted_size], a power of two not below k
  unsigned* bins = reinterpret_cast<unsigned*>(keys + sorted_size);
  unsigned* found = bins + kBins;  // bin of this round, keys above it, keys collected
  const float* row = logits.data + blockIdx.x * logits.stride;
  const int64_t columns = logits.columns;

  uint64_t prefix = 0;                         // top bytes of the k-th key
  unsigned wanted = static_cast<unsigned>(k);  // its place among keys with that prefix
  for (int shift = 56; shift >= 0; shift -= 8) {
    for (int i = threadIdx.x; i < kBins; i += kThreads) bins[i] = 0;
    __syncthreads();
    for (int64_t id = threadIdx.x; id < columns; id += kThreads) {
      const uint64_t key = key_of(row[id], id);
      if (shift == 56 || key >> (shift + 8) == prefix >> (shift + 8)) atomicAdd(&bins[key >> shift & 0xff], 1u);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      unsigned above = 0;
      int bin = kBins - 1;
      while (above + bins[bin] < wanted) above += bins[bin--];
      found[0] = static_cast<unsigned>(bin), found[1] = above;
    }
    __syncthreads();
    prefix |= static_cast<uint64_t>(found[0]) << shift;
    wanted -= found[1];
    __syncthreads();
  }

  if (threadIdx.x == 0) found[2] = 0;
  for (int i = threadIdx.x; i < sorted_size; i += kThreads) keys[i] = 0;
  __syncthreads();
  for (int64_t id = threadIdx.x; id < columns; id += kThreads) {
    const uint64_t key = key_of(row[id], id);
    if (key >= prefix) keys[atomicAdd(&found[2], 1u)] = key;
  }
  __syncthreads();
  for (int size = 2; size <= sorted_size; size *= 2) {  // bitonic, descending
    for (int apart = size / 2; apart > 0; apart /= 2) {
      for (int i = threadIdx.x; i < sorted_size; i += kThreads) {
        const int other = i ^ apart;
        if (other < i) continue;
        const uint64_t a = keys[i], b = keys[other];
        if ((a < b) == ((i & size) == 0)) keys[i] = b, keys[other] = a;
      }
      __syncthreads();
    }
  }
  for (int i = threadIdx.x; i < k; i += kThreads) {
    const int32_t id = static_cast<int32_t>(0xffffffffu - static_cast<uint32_t>(keys[i]));
    ids[blockIdx.x * static_cast<int64_t>(k) + i] = id;
    values[blockIdx.x * static_cast<int64_t>(k) + i] = row[id];
  }
}

}  // namespace

cudaError_t top_k(View<const float> logits, int32_t k, int32_t* ids, float* values, cudaStream_t stream) {
  if (logits.rows == 0 || k == 0) return cudaSuccess;
  if (k < 0 || k > kTopK || k > logits.columns || logits.columns > INT32_MAX) return cudaErrorInvalidValue;
  int size = 2;
  while (size < k) size *= 2;
  const int64_t bytes = size * static_cast<int64_t>(sizeof(uint64_t)) + (kBins + 3) * 4;
  return launch(select_largest, dim3(static_cast<unsigned>(logits.rows)), kThreads, bytes, stream, logits, k, size, ids,
                values);
}

}  // namespace stateline::cuda
