// One decode step of the recurrence with dt_proj inside: delta = dt · dt_projᵀ + bias, then as selective_scan.cu.
//
// A block takes kScanChannels channels of one sequence. The lanes of a channel share its row of dt_proj, 16 bytes a
// read, and its states, some at a time: a step moves each state twice, each weight once, and writes no delta. Bound by
// memory: 2·N·4 bytes of state and r weights a channel.
#pragma once

#include <type_traits>

#include "device/cuda/ssm.cuh"

namespace stateline::cuda {

struct DtProjection {
  View<const float> dt;
  const void* weight;
  int64_t stride;
  const float* bias;
};

// Sum over the lanes of a channel, in the order that the scan's exchange has.
__device__ __forceinline__ float channel_sum(float x) {
  x += __shfl_xor_sync(kAllLanes, x, 2);
  return x + __shfl_xor_sync(kAllLanes, x, 1);
}

template <class T, int kStates, bool kVector>
__global__ void __launch_bounds__(kScanThreads, 4)
    update_states(Scan scan, DtProjection projection, const Segment* segments) {
  constexpr int kRead = kPerRead<T, kVector>;
  constexpr int kRow = kStates * kSplit, kHeld = kStates < 16 ? kStates : 16;
  const Segment segment = segments[blockIdx.y];
  if (segment.length == 0) return;
  const int64_t channels = scan.u.columns, row = segment.begin, rank = projection.dt.columns;
  const int split = threadIdx.x % kSplit;
  const int64_t channel = static_cast<int64_t>(blockIdx.x) * kScanChannels + threadIdx.x / kSplit;
  const bool inside = channel < channels;

  float* b = shared_memory<float>();
  float* c = b + kRow;
  float* dt = c + kRow;  // [r]
  for (int n = threadIdx.x; n < kRow; n += kScanThreads) {
    b[n] = n < scan.states ? scan.b.data[row * scan.b.stride + n] : 0.0f;
    c[n] = n < scan.states ? scan.c.data[row * scan.c.stride + n] : 0.0f;
  }
  for (int64_t i = threadIdx.x; i < rank; i += kScanThreads) dt[i] = projection.dt.data[row * projection.dt.stride + i];
  float* state = scan.state + segment.slot * scan.slot_stride + channel;
  ChannelStates<kHeld> states;
  states.load(scan.a + channel, state, split * kStates, scan.states, channels, inside);
  __syncthreads();

  float delta = 0;
  if (inside) {
    const T* weight = static_cast<const T*>(projection.weight) + channel * projection.stride;
#pragma unroll 4
    for (int64_t i = split * kRead; i < rank; i += kSplit * kRead) {
      float w[kRead];
      read<kVector>(weight + i, w);
#pragma unroll
      for (int j = 0; j < kRead; ++j) delta = fmaf(w[j], dt[i + j], delta);
    }
  }
  delta = channel_sum(delta);
  if (inside && projection.bias) delta += projection.bias[channel];
  const float step = softplus(delta);
  const float u = inside ? scan.u.data[row * scan.u.stride + channel] : 0.0f;
  float y = 0;
#pragma unroll 1
  for (int first = split * kStates; first < (split + 1) * kStates; first += kHeld) {
    if (first > split * kStates) states.load(scan.a + channel, state, first, scan.states, channels, inside);
    y = states.step(step, step * u, b + first, c + first, y);
    states.store(state, first, scan.states, channels, inside);
  }
  y = channel_sum(y);
  if (!inside || split != 0) return;
  scan.out.data[row * scan.out.stride + channel] =
      gated(y, scan.d[channel], u, scan.z.data[row * scan.z.stride + channel]);
}

template <class T>
cudaError_t state_update_of(const Scan& scan, const DtProjection& projection, DeviceSegments segments,
                            cudaStream_t stream) {
  const int64_t rank = projection.dt.columns;
  const bool vector =
      aligned(projection.weight, projection.stride * static_cast<int64_t>(sizeof(T))) && rank % kPerRead<T, true> == 0;
  return with_states(scan.states, [&](auto size) {
    constexpr int kStates = decltype(size)::value;
    return launch(vector ? update_states<T, kStates, true> : update_states<T, kStates, false>,
                  dim3(grid_of(scan.u.columns, kScanChannels), static_cast<unsigned>(segments.count)), kScanThreads,
                  (2 * kStates * kSplit + rank) * static_cast<int64_t>(sizeof(float)), stream, scan, projection,
                  segments.data);
  });
}

extern template cudaError_t state_update_of<float>(const Scan&, const DtProjection&, DeviceSegments, cudaStream_t);
extern template cudaError_t state_update_of<__half>(const Scan&, const DtProjection&, DeviceSegments, cudaStream_t);
extern template cudaError_t state_update_of<__nv_bfloat16>(const Scan&, const DtProjection&, DeviceSegments,
                                                           cudaStream_t);

}  // namespace stateline::cuda
