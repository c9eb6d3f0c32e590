// What kernels share: launches, 16-byte reads of any weight type, sums over warps and blocks, the mixer's functions.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

#include "device/cuda/kernels.h"

namespace stateline::cuda {

constexpr int kWarpSize = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, int threads, int64_t shared_bytes, cudaStream_t stream,
                   Arguments&&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
}

// The block's dynamic shared memory.
template <class T>
__device__ __forceinline__ T* shared_memory() {
#ifdef __CUDACC__
  extern __shared__ __align__(16) unsigned char memory[];
  return reinterpret_cast<T*>(memory);
#else  // test/simt
  return static_cast<T*>(simt::shared_memory());
#endif
}

constexpr int64_t blocks_of(int64_t count, int64_t each) { return (count + each - 1) / each; }
inline unsigned grid_of(int64_t count, int64_t each) { return static_cast<unsigned>(blocks_of(count, each)); }

inline bool aligned(const void* pointer, int64_t stride_bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0 && stride_bytes % 16 == 0;
}
template <class T>
bool aligned(View<T> view) {
  return aligned(view.data, view.stride * static_cast<int64_t>(sizeof(T)));
}

// --- numbers ---

__device__ __forceinline__ float widened(float x) { return x; }
__device__ __forceinline__ float widened(__half x) { return __half2float(x); }
__device__ __forceinline__ float widened(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class T>
__device__ __forceinline__ T narrowed(float x);
template <>
__device__ __forceinline__ float narrowed<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ __half narrowed<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ __forceinline__ __nv_bfloat16 narrowed<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// Calls run(T{}) for the stored type.
template <class Run>
cudaError_t with_type(DType type, Run run) {
  switch (type) {
    case DType::f32:
      return run(float{});
    case DType::f16:
      return run(__half{});
    case DType::bf16:
      return run(__nv_bfloat16{});
  }
  return cudaErrorInvalidValue;
}

// Values that one read takes: 16 bytes of them, or one where rows are not aligned.
template <class T, bool kVector>
constexpr int kPerRead = kVector ? 16 / static_cast<int>(sizeof(T)) : 1;

__device__ __forceinline__ void unpack(uint4 raw, float (&out)[4], float) {
  out[0] = __uint_as_float(raw.x), out[1] = __uint_as_float(raw.y);
  out[2] = __uint_as_float(raw.z), out[3] = __uint_as_float(raw.w);
}
template <class T>
__device__ __forceinline__ void unpack(uint4 raw, float (&out)[8], T) {
  const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    T low, high;
    const unsigned short halves[2] = {static_cast<unsigned short>(words[i]),
                                      static_cast<unsigned short>(words[i] >> 16)};
    memcpy(&low, &halves[0], 2);
    memcpy(&high, &halves[1], 2);
    out[2 * i] = widened(low), out[2 * i + 1] = widened(high);
  }
}

template <bool kVector, class T>
__device__ __forceinline__ void read(const T* from, float (&out)[kPerRead<T, kVector>]) {
  if constexpr (kVector) {
    unpack(*reinterpret_cast<const uint4*>(from), out, T{});
  } else {
    out[0] = widened(*from);
  }
}

// `N` consecutive floats, N a multiple of 4 where they are aligned.
template <int N>
__device__ __forceinline__ void read_floats(const float* from, float (&out)[N]) {
  if constexpr (N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
      const float4 four = *reinterpret_cast<const float4*>(from + i);
      out[i] = four.x, out[i + 1] = four.y, out[i + 2] = four.z, out[i + 3] = four.w;
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) out[i] = from[i];
  }
}
template <int N>
__device__ __forceinline__ void write_floats(float* to, const float (&in)[N]) {
  if constexpr (N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
      *reinterpret_cast<float4*>(to + i) = make_float4(in[i], in[i + 1], in[i + 2], in[i + 3]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = in[i];
  }
}

// --- sums ---

// The same bits in every lane: each level adds two numbers, whose order does not matter.
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int other = 16; other > 0; other /= 2) x += __shfl_xor_sync(kAllLanes, x, other);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int other = 16; other > 0; other /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, other));
  return x;
}

// Sum over a block of whole warps, in every thread. `scratch` holds 32 floats.
__device__ __forceinline__ float block_sum(float x, float* scratch) {
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize, warps = blockDim.x / kWarpSize;
  x = warp_sum(x);
  __syncthreads();  // a sum before may still be read
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  return warp_sum(lane < warps ? scratch[lane] : 0.0f);
}

// --- functions ---

// 2^x by the special-function unit: two units in the last place, 1 at 0, 0 where the result would be subnormal.
__device__ __forceinline__ float exp2_fast(float x) {
#ifdef __CUDACC__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

constexpr float kLog2E = 1.44269504f;

// log(1 + e^x), identity above 20. log1pf keeps small steps exact, which a logarithm of 1 + t would lose.
__device__ __forceinline__ float softplus(float x) { return x > 20.0f ? x : log1pf(exp2_fast(x * kLog2E)); }
__device__ __forceinline__ float silu(float x) { return __fdividef(x, 1.0f + exp2_fast(x * -kLog2E)); }

}  // namespace stateline::cuda
