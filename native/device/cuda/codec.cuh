// One group of a message between f32 and the wire, by one warp: the bits of device/cpu/kernels/codec.cpp.
//
// A lane holds kPerLane values of the group in registers (4 of 128), so that an int8 group is read once although its
// largest value must be known before its first is written. Larger groups are read twice.
#pragma once

#include "device/cuda/common.cuh"

namespace stateline::cuda {

constexpr int kPerLane = 4;

// Where group `index` lies: `count` values from (row, column) on, the first of them value `at` of the message.
struct Group {
  int64_t row, column, at;
  int count;
};

struct Layout {
  int64_t columns, per_row;
  int32_t group;
  __host__ __device__ Layout(const Payload& payload)
      : columns(payload.values.columns),
        per_row((payload.values.columns + payload.group - 1) / payload.group),
        group(payload.group) {}
  __device__ Group at(int64_t index) const {
    const int64_t row = index / per_row, column = (index - row * per_row) * group;
    const int64_t left = columns - column;
    return {row, column, row * columns + column, static_cast<int>(left < group ? left : group)};
  }
};

template <class T>
struct PlainWire {
  using Value = T;
  // Value i of a group, of part r of the message.
  __device__ static float decode(const WireMemory& part, const Group& group, int64_t, int i) {
    return widened(static_cast<const T*>(part.values)[group.at + i]);
  }
  __device__ static float add(float total, const WireMemory& part, const Group& group, int64_t index, int i) {
    return __fadd_rn(total, decode(part, group, index, i));
  }
  template <class Get>
  __device__ static void encode(const WireMemory& out, const Group& group, int64_t, int lane, Get get) {
    for (int i = lane; i < group.count; i += kWarpSize) static_cast<T*>(out.values)[group.at + i] = narrowed<T>(get(i));
  }
};

struct Int8Wire {
  // As the CPU's codec has them.
  static constexpr float kMostScale = 0x1.020406p+121f;
  __device__ static bool tiny(float most) { return most < 0x1p-100f; }
  __device__ static float scale_of(float most) {
    const float scale = __fdiv_rn(most, 127.0f);
    if (!tiny(most)) return fminf(scale, kMostScale);
    return __fmul_rn(scale, 127.0f) < most ? __uint_as_float(__float_as_uint(scale) + 1) : scale;
  }

  __device__ static float decode(const WireMemory& part, const Group& group, int64_t index, int i) {
    return __fmul_rn(static_cast<float>(static_cast<const int8_t*>(part.values)[group.at + i]), part.scales[index]);
  }
  __device__ static float add(float total, const WireMemory& part, const Group& group, int64_t index, int i) {
    return __fmaf_rn(static_cast<float>(static_cast<const int8_t*>(part.values)[group.at + i]), part.scales[index],
                     total);
  }

  template <class Get>
  __device__ static void encode(const WireMemory& out, const Group& group, int64_t index, int lane, Get get) {
    float kept[kPerLane], most = 0, poison = 0;
    const bool keeps = group.count <= kPerLane * kWarpSize;
    if (keeps) {
#pragma unroll
      for (int i = 0; i < kPerLane; ++i) {
        const int at = i * kWarpSize + lane;
        kept[i] = at < group.count ? get(at) : 0.0f;
        most = fmaxf(most, fabsf(kept[i]));
        poison += kept[i] * 0.0f;  // NaN once a value is NaN or infinite
      }
    } else {
      for (int i = lane; i < group.count; i += kWarpSize) {
        const float x = get(i);
        most = fmaxf(most, fabsf(x));
        poison += x * 0.0f;
      }
    }
    most = warp_max(most);
    poison = warp_sum(poison);
    const bool bad = poison != poison, plain = !bad && most > 0.0f;
    const float scale = scale_of(most);
    // 1 / scale overflows for the tiniest groups, so those are enlarged first.
    const float enlarge = tiny(most) ? 0x1p80f : 1.0f;
    const float factor = tiny(most) ? __fdiv_rn(1.0f, __fmul_rn(scale, enlarge)) : __fdiv_rn(127.0f, most);
    int8_t* values = static_cast<int8_t*>(out.values) + group.at;
    const auto put = [&](int i, float x) {
      values[i] = plain ? static_cast<int8_t>(__float2int_rn(__fmul_rn(__fmul_rn(x, enlarge), factor))) : int8_t{0};
    };
    if (keeps) {
#pragma unroll
      for (int i = 0; i < kPerLane; ++i) {
        if (i * kWarpSize + lane < group.count) put(i * kWarpSize + lane, kept[i]);
      }
    } else {
      for (int i = lane; i < group.count; i += kWarpSize) put(i, get(i));
    }
    __syncwarp();  // `out` may be what others still decode
    if (lane == 0) out.scales[index] = bad ? __uint_as_float(0x7fc00000u) : scale;
  }
};

// Σ_r decode(part r) of value i, in order of r.
template <class Code>
__device__ __forceinline__ float sum_of(const WireParts& parts, const Group& group, int64_t index, int i) {
  float total = Code::decode(parts.part[0], group, index, i);
#pragma unroll 2
  for (int r = 1; r < parts.count; ++r) total = Code::add(total, parts.part[r], group, index, i);
  return total;
}

// Calls run(Code{}) for the wire's type.
template <class Run>
cudaError_t with_wire(Wire wire, Run run) {
  switch (wire) {
    case Wire::f32:
      return run(PlainWire<float>{});
    case Wire::f16:
      return run(PlainWire<__half>{});
    case Wire::bf16:
      return run(PlainWire<__nv_bfloat16>{});
    case Wire::int8:
      return run(Int8Wire{});
  }
  return cudaErrorInvalidValue;
}

}  // namespace stateline::cuda
