// bf16 as kernels use it.
#pragma once

#include <cstring>

struct __nv_bfloat16 {
  unsigned short bits;
};

unsigned short simt_float_to_bfloat16(float value);

inline float __bfloat162float(__nv_bfloat16 value) {
  const unsigned bits = static_cast<unsigned>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) { return {simt_float_to_bfloat16(value)}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) { return value.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return {bits}; }
