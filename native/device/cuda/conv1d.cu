// Causal depthwise convolution with carry, bias and silu: Device::conv1d.
//
// A thread a channel, so that neighbours read neighbouring floats of [tokens, d]. In prefill a thread makes kChunk
// tokens and keeps the last K inputs in registers: each input is read once, K-1 of a chunk twice. The carry is a second
// kernel, because another block's chunk still needs the old one. In decode one kernel does both.
#include "device/cuda/common.cuh"

namespace stateline::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kChunk = 32;

// Input of token t of a segment, where -1 is the newest of the carry.
struct Inputs {
  const float* x;
  int64_t x_stride;
  const float* state;
  int64_t channels;
  int64_t kept;
  __device__ float at(int64_t t) const { return t >= 0 ? x[t * x_stride] : state[(kept + t) * channels]; }
};

__device__ Inputs inputs_of(const Conv1d& conv, const Segment& segment, int64_t channel) {
  return {conv.x.data + segment.begin * conv.x.stride + channel, conv.x.stride,
          conv.state + segment.slot * conv.slot_stride + channel, conv.x.columns, conv.taps - 1};
}

// K taps, or conv.taps of them if K is 0.
template <int K>
__global__ void __launch_bounds__(kThreads) conv_outputs(Conv1d conv, const Segment* segments) {
  const Segment segment = segments[blockIdx.y];
  const int64_t channel = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, channels = conv.x.columns;
  const int64_t begin = static_cast<int64_t>(blockIdx.z) * kChunk;
  if (channel >= channels || begin >= segment.length) return;
  const int64_t end = begin + kChunk < segment.length ? begin + kChunk : segment.length;
  const Inputs inputs = inputs_of(conv, segment, channel);
  const float bias = conv.bias ? conv.bias[channel] : 0.0f;
  float* out = conv.out.data + segment.begin * conv.out.stride + channel;
  if constexpr (K > 0) {
    float weight[K], window[K];
#pragma unroll
    for (int k = 0; k < K; ++k) weight[k] = conv.weight[k * channels + channel];
#pragma unroll
    for (int k = 0; k + 1 < K; ++k) window[k + 1] = inputs.at(begin - K + 1 + k);
#pragma unroll 4
    for (int64_t t = begin; t < end; ++t) {
#pragma unroll
      for (int k = 0; k + 1 < K; ++k) window[k] = window[k + 1];
      window[K - 1] = inputs.x[t * inputs.x_stride];
      float total = bias;
#pragma unroll
      for (int k = 0; k < K; ++k) total = fmaf(weight[k], window[k], total);
      out[t * conv.out.stride] = silu(total);
    }
  } else {
    for (int64_t t = begin; t < end; ++t) {
      float total = bias;
      for (int64_t k = 0; k < conv.taps; ++k) {
        total = fmaf(conv.weight[k * channels + channel], inputs.at(t - conv.taps + 1 + k), total);
      }
      out[t * conv.out.stride] = silu(total);
    }
  }
}

__global__ void __launch_bounds__(kThreads) conv_carry(Conv1d conv, const Segment* segments) {
  const Segment segment = segments[blockIdx.y];
  const int64_t channel = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (channel >= conv.x.columns) return;
  const Inputs inputs = inputs_of(conv, segment, channel);
  float* state = conv.state + segment.slot * conv.slot_stride + channel;
  for (int64_t i = 0; i < inputs.kept; ++i) {  // ascending: a row is read before it is overwritten
    state[i * conv.x.columns] = inputs.at(segment.length - inputs.kept + i);
  }
}

__global__ void __launch_bounds__(kThreads) conv_update(Conv1d conv, const Segment* segments) {
  const Segment segment = segments[blockIdx.y];
  const int64_t channel = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, channels = conv.x.columns;
  if (channel >= channels || segment.length == 0) return;
  const int64_t kept = conv.taps - 1;
  float* state = conv.state + segment.slot * conv.slot_stride + channel;
  const float newest = conv.x.data[segment.begin * conv.x.stride + channel];
  float total = conv.bias ? conv.bias[channel] : 0.0f;
  for (int64_t k = 0; k < kept; ++k) {
    const float x = state[k * channels];
    total = fmaf(conv.weight[k * channels + channel], x, total);
    if (k > 0) state[(k - 1) * channels] = x;
  }
  total = fmaf(conv.weight[kept * channels + channel], newest, total);
  if (kept > 0) state[(kept - 1) * channels] = newest;
  conv.out.data[segment.begin * conv.out.stride + channel] = silu(total);
}

}  // namespace

cudaError_t conv1d(const Conv1d& conv, DeviceSegments segments, cudaStream_t stream) {
  if (segments.count == 0 || segments.longest == 0 || conv.x.columns == 0) return cudaSuccess;
  if (conv.taps < 1) return cudaErrorInvalidValue;
  dim3 grid(grid_of(conv.x.columns, kThreads), static_cast<unsigned>(segments.count));
  if (segments.longest == 1) return launch(conv_update, grid, kThreads, 0, stream, conv, segments.data);
  const dim3 carry_grid = grid;
  grid.z = grid_of(segments.longest, kChunk);
  const auto outputs = conv.taps == 2   ? conv_outputs<2>
                       : conv.taps == 3 ? conv_outputs<3>
                       : conv.taps == 4 ? conv_outputs<4>
                                        : conv_outputs<0>;
  if (const cudaError_t error = launch(outputs, grid, kThreads, 0, stream, conv, segments.data)) return error;
  return launch(conv_carry, carry_grid, kThreads, 0, stream, conv, segments.data);
}

}  // namespace stateline::cuda
