// A message on the wire as the CPU's communicator encodes and sums it (comm/wire.h): what the CUDA codec must equal.
#pragma once

#include <cstring>
#include <vector>

#include "comm/message.h"
#include "comm/wire.h"
#include "device/cuda/kernels.h"

namespace stateline::test {

constexpr cuda::Wire kWires[] = {cuda::Wire::f32, cuda::Wire::f16, cuda::Wire::bf16, cuda::Wire::int8};
constexpr const char* kWireNames[] = {"f32", "f16", "bf16", "int8"};

// rows × columns values of each rank, summed over ranks: by everyone from everyone, or by stripes that their owner
// encodes again. A view with a gap between rows keeps a message's groups row by row, as a Payload has them.
struct CpuSums {
  std::vector<float> one_shot, two_shot;
};

inline CpuSums cpu_sums(const std::vector<std::vector<float>>& ranks, int64_t rows, int64_t columns, cuda::Wire wire,
                        int32_t group) {
  const Reduction reduction{static_cast<WireType>(static_cast<int>(wire) + 1), group};
  const int64_t stride = columns + 1;
  const auto message_of = [&](std::vector<float>& room) {
    return Message({room.data(), rows, columns, stride}, reduction);
  };
  const auto dense = [&](const std::vector<float>& room) {
    std::vector<float> out;
    for (int64_t row = 0; row < rows; ++row) {
      out.insert(out.end(), room.begin() + row * stride, room.begin() + row * stride + columns);
    }
    return out;
  };
  std::vector<std::vector<std::byte>> wires;
  std::vector<const std::byte*> parts;
  std::vector<float> room(rows * stride);
  for (const auto& values : ranks) {
    for (int64_t i = 0; i < rows * columns; ++i) room[i / columns * stride + i % columns] = values[i];
    const Message message = message_of(room);
    wires.emplace_back(message.bytes());
    encode(message, message.whole(), wires.back().data());
  }
  for (const auto& own : wires) parts.push_back(own.data());
  const Message message = message_of(room);
  decode_sum(message, message.whole(), parts.data(), static_cast<int>(parts.size()));
  CpuSums sums;
  sums.one_shot = dense(room);
  std::vector<std::byte> total(message.bytes());
  encode(message, message.whole(), total.data());
  const std::byte* only[] = {total.data()};
  decode_sum(message, message.whole(), only, 1);
  sums.two_shot = dense(room);
  return sums;
}

// The same bits; two values that are not numbers are the same.
inline bool same(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != a[i] ? b[i] == b[i] : std::memcmp(&a[i], &b[i], sizeof(float)) != 0) return false;
  }
  return true;
}

}  // namespace stateline::test
