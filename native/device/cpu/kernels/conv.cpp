// Causal depthwise convolution of one segment with its carry, bias and silu fused. Tokens are the outer loop: rows are
// read and written from end to end, as the hardware foresees, while those of a token's taps and the weights stay near.
#include "device/cpu/kernels/math.h"
#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/shape.h"

namespace stateline::cpu::STATELINE_ISA {

namespace {

// Input of token t, where -1 is the newest of the carry.
STATELINE_INLINE const float* input(const Conv& conv, int64_t t) {
  return t >= 0 ? conv.x + t * conv.x_stride : conv.state + (conv.taps - 1 + t) * conv.channels;
}

// K taps, or conv.taps of them if K is 0; `Count` says how many lanes of the channels' vector there are, if not all.
template <int K, class... Count>
STATELINE_INLINE void output(const Conv& conv, int64_t t, const float* const (&rows)[K + 1], int64_t c,
                             Count... count) {
  const int64_t taps = K > 0 ? K : conv.taps;
  vf total = conv.bias ? load(conv.bias + c, count...) : vf{};
#pragma GCC unroll 4
  for (int64_t k = 0; k < taps; ++k) {
    const float* x = K > 0 ? rows[k] : input(conv, t - taps + 1 + k);
    total = fma(load(conv.weight + k * conv.channels + c, count...), load(x + c, count...), total);
  }
  store(conv.out + t * conv.out_stride + c, silu(total), count...);
}

template <int K>
void outputs(const Conv& conv, int64_t begin, int64_t end) {
  for (int64_t t = 0; t < conv.tokens; ++t) {
    const float* rows[K + 1];  // found once a token where their number is known
    for (int64_t k = 0; k < K; ++k) rows[k] = input(conv, t - K + 1 + k);
    int64_t c = begin;
    for (; c + kLanes <= end; c += kLanes) output<K>(conv, t, rows, c);
    if (c < end) output<K>(conv, t, rows, c, end - c);
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
  if (conv.taps == 4) {
    outputs<4>(conv, begin, end);
  } else {
    outputs<0>(conv, begin, end);
  }
  carry(conv, begin, end);
}

}  // namespace stateline::cpu::STATELINE_ISA
