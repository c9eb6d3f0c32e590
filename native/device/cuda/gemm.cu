// out [tokens, rows] = in [tokens, columns] · Wᵀ + bias on the ordinary multipliers, for machines without cuBLAS.
// A block makes 64 × 64 outputs, a thread 4 × 4 of them from two shared tiles 16 deep: a value of shared memory serves
// four products. Tiles are stored column by column, padded so that a warp's reads fall on different banks.
#include "device/cuda/common.cuh"

namespace stateline::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 64;
constexpr int kDepth = 16;
constexpr int kEach = 4;               // rows and columns of a thread's outputs
constexpr int kPitch = kTile + kEach;  // keeps 16-byte reads aligned

template <class T>
__device__ void load_tile(const T* from, int64_t stride, int64_t row, int64_t rows, int64_t column, int64_t columns,
                          float* tile) {
  for (int i = threadIdx.x; i < kTile * kDepth; i += kThreads) {
    const int r = i / kDepth, k = i % kDepth;
    const bool inside = row + r < rows && column + k < columns;
    tile[k * kPitch + r] = inside ? widened(from[(row + r) * stride + column + k]) : 0.0f;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    gemm_tiles(const T* weight, int64_t weight_stride, const float* bias, View<const float> in, View<float> out) {
  float* a = shared_memory<float>();
  float* w = a + kDepth * kPitch;
  const int64_t row = static_cast<int64_t>(blockIdx.y) * kTile, column = static_cast<int64_t>(blockIdx.x) * kTile;
  const int own_row = threadIdx.x / (kTile / kEach) * kEach, own_column = threadIdx.x % (kTile / kEach) * kEach;
  float sums[kEach][kEach] = {};
  for (int64_t k = 0; k < in.columns; k += kDepth) {
    load_tile(in.data, in.stride, row, in.rows, k, in.columns, a);
    load_tile(weight, weight_stride, column, out.columns, k, in.columns, w);
    __syncthreads();
#pragma unroll
    for (int depth = 0; depth < kDepth; ++depth) {
      float x[kEach], y[kEach];
      read_floats<kEach>(a + depth * kPitch + own_row, x);
      read_floats<kEach>(w + depth * kPitch + own_column, y);
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
#pragma unroll
        for (int j = 0; j < kEach; ++j) sums[i][j] = fmaf(x[i], y[j], sums[i][j]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const int64_t r = row + own_row + i, c = column + own_column + j;
      if (r < in.rows && c < out.columns) out.data[r * out.stride + c] = bias ? sums[i][j] + bias[c] : sums[i][j];
    }
  }
}

}  // namespace

cudaError_t gemm(const Weights& weight, const float* bias, View<const float> in, View<float> out, cudaStream_t stream) {
  if (in.rows == 0 || weight.rows == 0) return cudaSuccess;
  if (in.columns != weight.columns || out.columns != weight.rows) return cudaErrorInvalidValue;
  return with_type(weight.type, [&](auto type) {
    using T = decltype(type);
    return launch(gemm_tiles<T>, dim3(grid_of(out.columns, kTile), grid_of(in.rows, kTile)), kThreads,
                  2 * kDepth * kPitch * sizeof(float), stream, static_cast<const T*>(weight.data), weight.stride, bias,
                  in, out);
  });
}

}  // namespace stateline::cuda
