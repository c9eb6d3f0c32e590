// Causal depthwise convolution of one segment with its carry, bias and silu fused; channels are independent, so a
// block of them is finished, and its carry written, before the next one starts.
#include "device/cpu/kernels/math.h"
#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/shape.h"

namespace stateline::cpu::STATELINE_ISA {

namespace {

// Input of token t, where -1 is the newest of the carry.
STATELINE_INLINE const float* input(const Conv& conv, int64_t t) {
  return t >= 0 ? conv.x + t * conv.x_stride : conv.state + (conv.taps - 1 + t) * conv.channels;
}

// K taps, or conv.taps of them if K is 0.
template <int K>
void outputs(const Conv& conv, int64_t begin, int64_t end) {
  const int64_t taps = K > 0 ? K : conv.taps;
  for (int64_t t = 0; t < conv.tokens; ++t) {
    float* out = conv.out + t * conv.out_stride;
    for (int64_t c = begin; c < end; c += kLanes) {
      const int64_t count = end - c < kLanes ? end - c : kLanes;
      const bool whole = count == kLanes;
      vf total = !conv.bias ? vf{} : whole ? load(conv.bias + c) : load(conv.bias + c, count);
#pragma GCC unroll 4
      for (int64_t k = 0; k < taps; ++k) {
        const float* x = input(conv, t - taps + 1 + k) + c;
        const float* w = conv.weight + k * conv.channels + c;
        total = whole ? fma(load(w), load(x), total) : fma(load(w, count), load(x, count), total);
      }
      if (whole) {
        store(out + c, silu(total));
      } else {
        store(out + c, silu(total), count);
      }
    }
  }
}

void carry(const Conv& conv, int64_t begin, int64_t end) {
  const int64_t kept = conv.taps - 1;
  for (int64_t i = 0; i < kept; ++i) {  // ascending: a row is read before it is overwritten
    const float* from = input(conv, conv.tokens - kept + i) + begin;
    memmove(conv.state + i * conv.channels + begin, from, (end - begin) * sizeof(float));
  }
}

}  // namespace

void conv1d(const Conv& conv, int64_t begin, int64_t end) {
  for (; begin < end; begin += kChannelBlock) {
    const int64_t stop = begin + kChannelBlock < end ? begin + kChannelBlock : end;
    if (conv.taps == 4) {
      outputs<4>(conv, begin, stop);
    } else {
      outputs<0>(conv, begin, stop);
    }
    carry(conv, begin, stop);
  }
}

}  // namespace stateline::cpu::STATELINE_ISA
