// What scan and state update share: how a channel's states lie on its lanes, and one step of the recurrence.
//
// kSplit neighbouring lanes hold a channel, each kStates of its N states (those behind N are zero): 4 × 4 for N = 16.
// A step costs a lane kStates exponentials, the unit that bounds the scan, and about as many issue slots for the rest.
#pragma once

#include "device/cuda/common.cuh"

namespace stateline::cuda {

constexpr int kSplit = 4;
constexpr int kScanChannels = 32;  // of a block: a row of a tile is one 128-byte line
constexpr int kScanThreads = kScanChannels * kSplit;

template <int kStates>
struct ChannelStates {
  float a[kStates], s[kStates];

  // Rows first..first+kStates of a and of the slot's state at this channel.
  __device__ void load(const float* a_at, const float* s_at, int64_t first, int64_t states, int64_t channels,
                       bool inside) {
#pragma unroll
    for (int i = 0; i < kStates; ++i) {
      const bool real = inside && first + i < states;
      a[i] = real ? a_at[(first + i) * channels] : 0.0f;
      s[i] = real ? s_at[(first + i) * channels] : 0.0f;
    }
  }
  __device__ void store(float* s_at, int64_t first, int64_t states, int64_t channels, bool inside) const {
#pragma unroll
    for (int i = 0; i < kStates; ++i) {
      if (inside && first + i < states) s_at[(first + i) * channels] = s[i];
    }
  }
  // S ← exp2(dt·a)∘S + du⊗b; returns y plus this lane's part of S·c. `b` and `c` begin at its first state.
  __device__ __forceinline__ float step(float dt, float du, const float* b, const float* c, float y = 0) {
#pragma unroll
    for (int i = 0; i < kStates; i += 4) {
      float bs[4], cs[4];
      read_floats<4>(b + i, bs);
      read_floats<4>(c + i, cs);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        s[i + j] = fmaf(exp2_fast(dt * a[i + j]), s[i + j], du * bs[j]);
        y = fmaf(s[i + j], cs[j], y);
      }
    }
    return y;
  }
};

__device__ __forceinline__ float gated(float y, float d, float u, float z) { return fmaf(d, u, y) * silu(z); }

// Calls run(std::integral_constant<int, kStates>) with the smallest that holds `states`.
template <class Run>
cudaError_t with_states(int64_t states, Run run) {
  if (states <= 4 * kSplit) return run(std::integral_constant<int, 4>{});
  if (states <= 16 * kSplit) return run(std::integral_constant<int, 16>{});
  if (states <= kScanStates) return run(std::integral_constant<int, 64>{});
  return cudaErrorInvalidValue;
}

}  // namespace stateline::cuda
