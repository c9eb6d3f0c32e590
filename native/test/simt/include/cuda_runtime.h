// What a kernel's source sees of CUDA, for a host compiler: see test/simt/runner.h.
#pragma once

#include <cmath>
#include <cstring>
#include <tuple>
#include <utility>

#include "cuda_runtime_api.h"
#include "test/simt/runner.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)
// A block's own: blocks of one host thread run one after another.
#define __shared__ static thread_local

#define threadIdx (::simt::current_lane->thread)
constexpr int warpSize = simt::kWarp;

// --- vectors ---
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(4) char4 {
  signed char x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline char4 make_char4(signed char x, signed char y, signed char z, signed char w) { return {x, y, z, w}; }

// --- barriers and warps ---
inline void __syncthreads() { simt::sync_block(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { simt::sync_warp(mask); }
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __nanosleep(unsigned nanoseconds);

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = simt::kWarp) {
  const int own = simt::current_lane->lane;
  return simt::exchange(mask, value, own / width * width + source % width);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int other, int width = simt::kWarp) {
  const int own = simt::current_lane->lane, source = own ^ other;
  return simt::exchange(mask, value, source / width == own / width ? source : own);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = simt::kWarp) {
  const int own = simt::current_lane->lane, source = own + static_cast<int>(delta);
  return simt::exchange(mask, value, source / width == own / width ? source : own);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = simt::kWarp) {
  const int own = simt::current_lane->lane, source = own - static_cast<int>(delta);
  return simt::exchange(mask, value, source >= own / width * width ? source : own);
}
inline unsigned __ballot_sync(unsigned mask, bool vote) { return simt::ballot(mask, vote); }
inline int __any_sync(unsigned mask, bool vote) { return simt::ballot(mask, vote) != 0; }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }

// --- atomics ---
template <class T>
T atomicAdd(T* at, T value) {
  return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}
template <class T>
T atomicOr(T* at, T value) {
  return __atomic_fetch_or(at, value, __ATOMIC_SEQ_CST);
}
inline unsigned atomicOr_system(unsigned* at, unsigned value) { return atomicOr(at, value); }

// --- arithmetic ---
template <class T>
T __ldg(const T* at) {
  return *at;
}
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frsqrt_rn(float x) { return 1 / std::sqrt(x); }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
inline unsigned __float_as_uint(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline int __float_as_int(float x) { return static_cast<int>(__float_as_uint(x)); }
inline float __int_as_float(int bits) { return __uint_as_float(static_cast<unsigned>(bits)); }

// --- launches ---
struct cudaLaunchAttribute {
  int id;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned int numAttrs = 0;
};

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  std::tuple<Parameters...> kept(std::forward<Arguments>(arguments)...);
  if (const cudaError_t error = simt::check(config->gridDim, config->blockDim, config->dynamicSmemBytes)) return error;
  if (const cudaError_t error = simt::prepare(config->stream, reinterpret_cast<const void*>(kernel))) return error;
  return simt::submit(config->stream, [launch = *config, kernel, kept, order = simt::order()]() {
    simt::set_order(order);
    return simt::run(launch.gridDim, launch.blockDim, launch.dynamicSmemBytes, [&] { std::apply(kernel, kept); });
  });
}
