#include "comm/wire.h"

#include <array>
#include <cstring>

#include "comm/in_process.h"
#include "device/cpu/dispatch.h"
#include "device/cpu/kernels.h"

namespace stateline {
namespace {

template <class T>
using Parts = std::array<const T*, InProcessGroup::kMaxRanks>;

template <class T>
Parts<T> parts_at(const std::byte* const* wires, int count, int64_t byte_offset, int64_t index) {
  Parts<T> parts{};
  for (int r = 0; r < count; ++r) parts[r] = reinterpret_cast<const T*>(wires[r] + byte_offset) + index;
  return parts;
}

}  // namespace

void encode(const Message& message, Stripe stripe, std::byte* wire) {
  const auto& kernels = cpu::kernels();
  const View<float> values = message.values();
  message.for_each_run(stripe, [&](int64_t row, int64_t column, int64_t count, int64_t group) {
    const float* in = values.row(row) + column;
    const int64_t index = row * values.columns + column;
    switch (message.wire()) {
      case WireType::f16:
        kernels.encode_f16(in, reinterpret_cast<uint16_t*>(wire) + index, count);
        break;
      case WireType::bf16:
        kernels.encode_bf16(in, reinterpret_cast<uint16_t*>(wire) + index, count);
        break;
      case WireType::int8:
        kernels.encode_int8(in, count, message.group(), reinterpret_cast<int8_t*>(wire) + index,
                            reinterpret_cast<float*>(wire + message.scales_offset()) + group);
        break;
      default:
        std::memcpy(reinterpret_cast<float*>(wire) + index, in, count * sizeof(float));
    }
  });
}

void decode_sum(const Message& message, Stripe stripe, const std::byte* const* wires, int count) {
  const auto& kernels = cpu::kernels();
  const View<float> values = message.values();
  message.for_each_run(stripe, [&](int64_t row, int64_t column, int64_t n, int64_t group) {
    float* out = values.row(row) + column;
    const int64_t index = row * values.columns + column;
    switch (message.wire()) {
      case WireType::f16:
        kernels.sum_f16(parts_at<uint16_t>(wires, count, 0, index).data(), count, out, n);
        break;
      case WireType::bf16:
        kernels.sum_bf16(parts_at<uint16_t>(wires, count, 0, index).data(), count, out, n);
        break;
      case WireType::int8:
        kernels.sum_int8(parts_at<int8_t>(wires, count, 0, index).data(),
                         parts_at<float>(wires, count, message.scales_offset(), group).data(), count, message.group(),
                         out, n);
        break;
      default:
        kernels.sum_f32(parts_at<float>(wires, count, 0, index).data(), count, out, n);
    }
  });
}

}  // namespace stateline
