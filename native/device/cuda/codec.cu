// A message's groups to the wire, from it as a sum over ranks, and both at once. A warp a group, warps stride over the
// stripe: groups are many and alike, and a warp's reads and writes are whole lines.
#include "device/cuda/codec.cuh"

namespace stateline::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int64_t kMostBlocks = 4096;

struct Stripe {
  int64_t begin, end;
};

template <class Each>
__device__ __forceinline__ void each_group(const Payload& payload, Stripe stripe, Each each) {
  const Layout layout(payload);
  const int64_t step = static_cast<int64_t>(gridDim.x) * kWarps;
  for (int64_t i = stripe.begin + static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarpSize; i < stripe.end;
       i += step) {
    each(i, layout.at(i), static_cast<int>(threadIdx.x % kWarpSize));
  }
}

template <class Code>
__global__ void __launch_bounds__(kThreads)
    encode_groups(Payload payload, Stripe stripe, WireMemory out, uint32_t* messages) {
  if (messages && blockIdx.x == 0 && threadIdx.x == 0) ++*messages;
  each_group(payload, stripe, [&](int64_t index, const Group& group, int lane) {
    const float* in = payload.values.data + group.row * payload.values.stride + group.column;
    Code::encode(out, group, index, lane, [&](int i) { return in[i]; });
  });
}

template <class Code>
__global__ void __launch_bounds__(kThreads) decode_groups(Payload payload, Stripe stripe, WireParts parts) {
  each_group(payload, stripe, [&](int64_t index, const Group& group, int lane) {
    float* out = payload.values.data + group.row * payload.values.stride + group.column;
    for (int i = lane; i < group.count; i += kWarpSize) out[i] = sum_of<Code>(parts, group, index, i);
  });
}

// `out` may be a part: a value is read before its place is written, by the lane that writes it; scales after all
// lanes have read them.
template <class Code>
__global__ void __launch_bounds__(kThreads)
    requantise_groups(Payload payload, Stripe stripe, WireParts parts, WireMemory out) {
  each_group(payload, stripe, [&](int64_t index, const Group& group, int lane) {
    Code::encode(out, group, index, lane, [&](int i) { return sum_of<Code>(parts, group, index, i); });
  });
}

template <class Kernel, class... Arguments>
cudaError_t start(Kernel kernel, const Payload& payload, int64_t begin, int64_t end, cudaStream_t stream,
                  const Arguments&... arguments) {
  const int64_t blocks = blocks_of(end - begin, kWarps);
  return launch(kernel, dim3(static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks)), kThreads, 0, stream,
                payload, Stripe{begin, end}, arguments...);
}

bool valid(const Payload& payload, const WireParts* parts) {
  return payload.group > 0 && (!parts || (parts->count > 0 && parts->count <= kMaxRanks));
}

}  // namespace

cudaError_t encode(const Payload& payload, int64_t begin, int64_t end, WireMemory out, cudaStream_t stream,
                   uint32_t* messages) {
  if (begin >= end) return cudaSuccess;
  if (!valid(payload, nullptr)) return cudaErrorInvalidValue;
  return with_wire(payload.wire, [&](auto code) {
    return start(encode_groups<decltype(code)>, payload, begin, end, stream, out, messages);
  });
}

cudaError_t decode_sum(const Payload& payload, int64_t begin, int64_t end, const WireParts& parts,
                       cudaStream_t stream) {
  if (begin >= end) return cudaSuccess;
  if (!valid(payload, &parts)) return cudaErrorInvalidValue;
  return with_wire(payload.wire,
                   [&](auto code) { return start(decode_groups<decltype(code)>, payload, begin, end, stream, parts); });
}

cudaError_t requantise(const Payload& payload, int64_t begin, int64_t end, const WireParts& parts, WireMemory out,
                       cudaStream_t stream) {
  if (begin >= end) return cudaSuccess;
  if (!valid(payload, &parts)) return cudaErrorInvalidValue;
  return with_wire(payload.wire, [&](auto code) {
    return start(requantise_groups<decltype(code)>, payload, begin, end, stream, parts, out);
  });
}

}  // namespace stateline::cuda
