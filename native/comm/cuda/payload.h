// Messages of comm/message.h as the kernels' codecs read and write them.
#pragma once

#include "comm/message.h"
#include "device/cuda/kernels.h"

namespace stateline::cuda {

inline Wire wire_of(WireType type) {
  return type == WireType::f16    ? Wire::f16
         : type == WireType::bf16 ? Wire::bf16
         : type == WireType::int8 ? Wire::int8
                                  : Wire::f32;
}

inline Payload payload_of(const Message& message) {
  return {message.values(), wire_of(message.wire()), message.group()};
}

// Where a message's values and scales lie in `memory`.
inline WireMemory wire_memory(const Message& message, std::byte* memory) {
  return {memory, reinterpret_cast<float*>(memory + message.scales_offset())};
}

}  // namespace stateline::cuda
