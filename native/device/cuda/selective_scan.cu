// Device::selective_scan: softplus, recurrence, C, D and gate of one segment, with initial and final state.
//
// A block takes kScanChannels channels of a segment through all its tokens, a tile of kTokens after another: B and C of
// a tile are read once for all its channels. While a tile is computed the next one is already on its way into
// registers. softplus and silu are computed once a value, by the thread that loads it, not by each lane of a channel.
// The recurrence runs in order of time and of states whatever the tiles are, so decode and any cut give the same bits.
// Bound by exponentials: N + 3 a token and channel against 16 bytes of memory traffic.
#include <type_traits>

#include "device/cuda/ssm.cuh"

namespace stateline::cuda {
namespace {

template <int kStates, int kTokens>
struct Tile {
  static constexpr int kRow = kStates * kSplit;                           // states, padded
  static constexpr int kValues = kTokens * kScanChannels / kScanThreads;  // of a channel row that a thread loads
  static constexpr int kInputs = (kTokens * kRow + kScanThreads - 1) / kScanThreads;  // of B, and of C
  static constexpr int kFloats = kTokens * (3 * kScanChannels + 2 * kRow);
  static constexpr int64_t kBytes = kFloats * static_cast<int64_t>(sizeof(float));
};

template <int kStates, int kTokens>
__global__ void __launch_bounds__(kScanThreads) scan_tiles(Scan scan, const Segment* segments) {
  using Shape = Tile<kStates, kTokens>;
  const Segment segment = segments[blockIdx.y];
  if (segment.length == 0) return;
  const int64_t channels = scan.u.columns, first_channel = static_cast<int64_t>(blockIdx.x) * kScanChannels;
  const int split = threadIdx.x % kSplit, own = threadIdx.x / kSplit;  // as the recurrence sees this thread
  const int loaded = threadIdx.x % kScanChannels;                      // channel of the values that it loads
  const int64_t channel = first_channel + own, load_channel = first_channel + loaded;
  const bool inside = channel < channels, load_inside = load_channel < channels;

  float* dt = shared_memory<float>();  // [kTokens, kScanChannels]
  float* du = dt + kTokens * kScanChannels;
  float* y = du + kTokens * kScanChannels;
  float* b = y + kTokens * kScanChannels;  // [kTokens, kRow]
  float* c = b + kTokens * Shape::kRow;

  float* state = scan.state + segment.slot * scan.slot_stride + channel;
  ChannelStates<kStates> states;
  states.load(scan.a + channel, state, split * kStates, scan.states, channels, inside);
  const float skip = load_inside ? scan.d[load_channel] : 0.0f;

  float u[Shape::kValues], delta[Shape::kValues], z[Shape::kValues], bs[Shape::kInputs], cs[Shape::kInputs];
  const auto load = [&](int64_t begin) {
#pragma unroll
    for (int i = 0; i < Shape::kValues; ++i) {
      const int64_t t = begin + i * kSplit + threadIdx.x / kScanChannels, row = segment.begin + t;
      const bool real = load_inside && t < segment.length;
      u[i] = real ? scan.u.data[row * scan.u.stride + load_channel] : 0.0f;
      delta[i] = real ? scan.delta.data[row * scan.delta.stride + load_channel] : 0.0f;
      z[i] = real ? scan.z.data[row * scan.z.stride + load_channel] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < Shape::kInputs; ++i) {
      const int index = i * kScanThreads + threadIdx.x, n = index % Shape::kRow;
      const int64_t t = begin + index / Shape::kRow, row = segment.begin + t;
      const bool real = n < scan.states && t < segment.length && index < kTokens * Shape::kRow;
      bs[i] = real ? scan.b.data[row * scan.b.stride + n] : 0.0f;
      cs[i] = real ? scan.c.data[row * scan.c.stride + n] : 0.0f;
    }
  };

  load(0);
  for (int64_t begin = 0; begin < segment.length; begin += kTokens) {
    float skipped[Shape::kValues], gate[Shape::kValues];
#pragma unroll
    for (int i = 0; i < Shape::kValues; ++i) {
      const int at = (i * kSplit + threadIdx.x / kScanChannels) * kScanChannels + loaded;
      // Behind the end a step of zero leaves the state exactly as it is.
      const float step = begin + at / kScanChannels < segment.length ? softplus(delta[i]) : 0.0f;
      dt[at] = step;
      du[at] = step * u[i];
      skipped[i] = u[i];
      gate[i] = z[i];
    }
#pragma unroll
    for (int i = 0; i < Shape::kInputs; ++i) {
      const int index = i * kScanThreads + threadIdx.x;
      if (index < kTokens * Shape::kRow) b[index] = bs[i], c[index] = cs[i];
    }
    __syncthreads();
    if (begin + kTokens < segment.length) load(begin + kTokens);

    const int64_t left = segment.length - begin;
    const int count = left < kTokens ? static_cast<int>(left) : kTokens;
    for (int t = 0; t < count; t += kSplit) {
      float part[kSplit];
#pragma unroll
      for (int i = 0; i < kSplit; ++i) {
        const int at = (t + i) * kScanChannels + own, row = (t + i) * Shape::kRow + split * kStates;
        part[i] = states.step(dt[at], du[at], b + row, c + row);
      }
      // Four tokens' parts on four lanes become one token's sum a lane: three exchanges for four sums.
      const bool upper = split & 2, odd = split & 1;
      float low = upper ? part[2] : part[0], high = upper ? part[3] : part[1];
      low += __shfl_xor_sync(kAllLanes, upper ? part[0] : part[2], 2);
      high += __shfl_xor_sync(kAllLanes, upper ? part[1] : part[3], 2);
      const float other = __shfl_xor_sync(kAllLanes, odd ? low : high, 1);
      y[(t + split) * kScanChannels + own] = (odd ? high : low) + other;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < Shape::kValues; ++i) {
      const int t = i * kSplit + threadIdx.x / kScanChannels;
      if (!load_inside || t >= count) continue;
      scan.out.data[(segment.begin + begin + t) * scan.out.stride + load_channel] =
          gated(y[t * kScanChannels + loaded], skip, skipped[i], gate[i]);
    }
  }
  states.store(state, split * kStates, scan.states, channels, inside);
}

}  // namespace

cudaError_t selective_scan(const Scan& scan, DeviceSegments segments, cudaStream_t stream) {
  if (segments.count == 0 || segments.longest == 0 || scan.u.columns == 0) return cudaSuccess;
  return with_states(scan.states, [&](auto size) {
    constexpr int kStates = decltype(size)::value;
    constexpr int kTokens = kStates == 4 ? 32 : kStates == 16 ? 16 : kSplit;  // registers bound the last
    const bool decode = segments.longest <= kSplit;
    return launch(decode ? scan_tiles<kStates, kSplit> : scan_tiles<kStates, kTokens>,
                  dim3(grid_of(scan.u.columns, kScanChannels), static_cast<unsigned>(segments.count)), kScanThreads,
                  decode ? Tile<kStates, kSplit>::kBytes : Tile<kStates, kTokens>::kBytes, stream, scan, segments.data);
  });
}

}  // namespace stateline::cuda
