// f16 as kernels use it: a value, and its conversions, by the host compiler's own type.
#pragma once

#include <cstring>

struct __half {
  unsigned short bits;
};
struct alignas(4) __half2 {
  __half x, y;
};

float simt_half_to_float(unsigned short bits);
unsigned short simt_float_to_half(float value);

inline float __half2float(__half value) { return simt_half_to_float(value.bits); }
inline __half __float2half_rn(float value) { return {simt_float_to_half(value)}; }
inline unsigned short __half_as_ushort(__half value) { return value.bits; }
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
