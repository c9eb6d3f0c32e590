// out [M, rows] = in [M, columns] · Wᵀ + bias for a few rows of `in`.
//
// A warp computes kRows outputs of every row of `in`: weights are read once, 16 bytes a lane, and each piece of `in`
// (which all warps share, so it stays in the first-level cache) serves kRows of them: at M = 8 a warp asks its cache
// for 4 times the bytes it asks memory for. The order of a sum depends on the columns alone, not on M.
#pragma once

#include "device/cuda/common.cuh"

namespace stateline::cuda {

constexpr int kGemvWarps = 4;
constexpr int kGemvOutputs = 4;  // of a warp

template <class T, int M, bool kVector>
__global__ void __launch_bounds__(kGemvWarps* kWarpSize, M < 8 ? 4 : 1)
    gemv_rows(const T* weight, int64_t weight_stride, const float* bias, View<const float> in, View<float> out) {
  constexpr int kRead = kPerRead<T, kVector>;
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * kGemvWarps + warp) * kGemvOutputs;
  if (first >= out.columns) return;

  const T* rows[kGemvOutputs];
#pragma unroll
  for (int r = 0; r < kGemvOutputs; ++r) {  // behind the last row: read it again, store nothing
    rows[r] = weight + (first + r < out.columns ? first + r : out.columns - 1) * weight_stride;
  }
  float sums[M][kGemvOutputs] = {};
  for (int64_t column = lane * kRead; column < in.columns; column += kWarpSize * kRead) {
    float w[kGemvOutputs][kRead];
#pragma unroll
    for (int r = 0; r < kGemvOutputs; ++r) read<kVector>(rows[r] + column, w[r]);
#pragma unroll
    for (int m = 0; m < M; ++m) {
      const int64_t row = m < in.rows ? m : 0;
      float x[kRead];
      read_floats<kRead>(in.data + row * in.stride + column, x);
#pragma unroll
      for (int r = 0; r < kGemvOutputs; ++r) {
#pragma unroll
        for (int i = 0; i < kRead; ++i) sums[m][r] = fmaf(w[r][i], x[i], sums[m][r]);
      }
    }
  }
#pragma unroll
  for (int m = 0; m < M; ++m) {
#pragma unroll
    for (int r = 0; r < kGemvOutputs; ++r) {
      const float sum = warp_sum(sums[m][r]);
      if (lane == (m * kGemvOutputs + r) % kWarpSize && m < in.rows && first + r < out.columns) {
        out.data[m * out.stride + first + r] = bias ? sum + bias[first + r] : sum;
      }
    }
  }
}

template <class T, bool kVector>
cudaError_t gemv_of_width(const T* data, const Weights& weight, const float* bias, View<const float> in,
                          View<float> out, cudaStream_t stream) {
  const auto kernel = in.rows <= 1   ? gemv_rows<T, 1, kVector>
                      : in.rows <= 2 ? gemv_rows<T, 2, kVector>
                      : in.rows <= 4 ? gemv_rows<T, 4, kVector>
                      : in.rows <= 8 ? gemv_rows<T, 8, kVector>
                                     : gemv_rows<T, 16, kVector>;
  return launch(kernel, dim3(grid_of(out.columns, kGemvWarps * kGemvOutputs)), kGemvWarps * kWarpSize, 0, stream, data,
                weight.stride, bias, in, out);
}

template <class T>
cudaError_t gemv_of(const Weights& weight, const float* bias, View<const float> in, View<float> out,
                    cudaStream_t stream) {
  const T* data = static_cast<const T*>(weight.data);
  const bool vector = aligned(data, weight.stride * static_cast<int64_t>(sizeof(T))) && aligned(in) &&
                      in.columns % kPerRead<T, true> == 0;
  return vector ? gemv_of_width<T, true>(data, weight, bias, in, out, stream)
                : gemv_of_width<T, false>(data, weight, bias, in, out, stream);
}

extern template cudaError_t gemv_of<float>(const Weights&, const float*, View<const float>, View<float>, cudaStream_t);
extern template cudaError_t gemv_of<__half>(const Weights&, const float*, View<const float>, View<float>, cudaStream_t);
extern template cudaError_t gemv_of<__nv_bfloat16>(const Weights&, const float*, View<const float>, View<float>,
                                                   cudaStream_t);

}  // namespace stateline::cuda
