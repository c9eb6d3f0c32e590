// exp2, softplus, silu and gelu of a vector. Coefficients: own Remez fits of the relative error;
// test/device/math_test.cpp measures the errors stated here, rounding included.
#pragma once

#include "device/cpu/kernels/simd.h"

namespace stateline::cpu::STATELINE_ISA {

// 2^x for x in [-126, 128): x = n + r with |r| ≤ 1/2, and 2^r = 1 + r·q(r) with q fitted, so that the error vanishes
// with r: a state that decays slowly gathers the errors of many steps.
STATELINE_INLINE vf exp2_in_range(vf x) {
#if STATELINE_AVX512
  const vf n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  const vf shifted = x + 0x1.8p23f;  // leaves round(x) in its low bits
  const vf n = shifted - 0x1.8p23f;
#endif
  const vf r = x - n;
  vf p = fma(r, set(0x1.5f48cep-10f), set(0x1.3cbf6ap-7f));
  p = fma(p, r, set(0x1.c6aeecp-5f));
  p = fma(p, r, set(0x1.ebfa4ap-3f));
  p = fma(p, r, set(0x1.62e43p-1f));
  p = fma(p, r, set(1.0f));
#if STATELINE_AVX512
  return _mm512_scalef_ps(p, n);
#else
  return p * floats((bits(shifted) << 23) + 0x3f800000u);
#endif
}

// 2^x: relative error below 4e-7 from -126 to 127, exactly 1 at 0, infinity from 128 on, NaN of NaN, and at most 2^-126
// below -126.
STATELINE_INLINE vf exp2(vf x) { return exp2_in_range(min(set(128.0f), max(set(-126.0f), x))); }

// 2^x in double precision for x ≤ 0: relative error below 1e-15, exactly 1 at 0, and 0 below -1000. As above, q fitted
// by interpolation.
STATELINE_INLINE vd exp2(vd x) {
  const vd shifted = x + 0x1.8p52;  // leaves round(x) in its low bits
  const vd r = x - (shifted - 0x1.8p52);
  vd p = fma(r, vd{} + 0x1.e5e9f548e5725p-28, vd{} + 0x1.b6571de2f2351p-24);
  p = fma(p, r, vd{} + 0x1.62bfe46117445p-20);
  p = fma(p, r, vd{} + 0x1.ffcb76789860fp-17);
  p = fma(p, r, vd{} + 0x1.4309130378460p-13);
  p = fma(p, r, vd{} + 0x1.5d87fe908f88ap-10);
  p = fma(p, r, vd{} + 0x1.3b2ab6fba385fp-7);
  p = fma(p, r, vd{} + 0x1.c6b08d7044119p-5);
  p = fma(p, r, vd{} + 0x1.ebfbdff82c590p-3);
  p = fma(p, r, vd{} + 0x1.62e42fefa39f7p-1);
  p = fma(p, r, vd{} + 1.0);
  // n goes into the exponent, where it has room.
  return (vd)(((vl)p + ((vl)shifted << 52)) & (vl)(x >= -1000.0));
}

// The same of V vectors for what a scan needs: x finite and not above 0, and a NaN may end as anything. On AVX-512 it
// goes down to zero by itself; elsewhere the vectors go through each step side by side, since sixteen registers and a
// short scheduler hide little latency otherwise, and n is added to the exponent, which needs a normal sum.
template <int V>
STATELINE_INLINE void exp2_decay(vf (&x)[V]) {
#if STATELINE_AVX512
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) x[v] = exp2_in_range(x[v]);
#else
  vf r[V];
  vu n[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    x[v] = max(set(-125.0f), x[v]);
    const vf shifted = x[v] + 0x1.8p23f;
    n[v] = bits(shifted) << 23;
    r[v] = x[v] - (shifted - 0x1.8p23f);
  }
  const float q[] = {0x1.3cbf6ap-7f, 0x1.c6aeecp-5f, 0x1.ebfa4ap-3f, 0x1.62e43p-1f, 1.0f};
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) x[v] = set(0x1.5f48cep-10f);
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) x[v] = fma(x[v], r[v], set(q[i]));
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) x[v] = floats(bits(x[v]) + n[v]);
#endif
}

// log(1 + e^x) = max(x, 0) + log1p(e^-|x|): relative error below 1e-6 from -8 on, below 5e-6 from -86 on, where it is
// all but zero; equal to x in f32 above 20, as PyTorch has it. log1p(t) = t·q(t) on [0, 1].
STATELINE_INLINE vf softplus(vf x) {
  const vf t = exp2(magnitude(x) * -0x1.715476p0f);
  vf q = fma(t, set(0x1.56ee2p-8f), set(-0x1.e36a02p-6f));
  q = fma(q, t, set(0x1.4069ep-4f));
  q = fma(q, t, set(-0x1.17d2c4p-3f));
  q = fma(q, t, set(0x1.874a8p-3f));
  q = fma(q, t, set(-0x1.fcc8c6p-3f));
  q = fma(q, t, set(0x1.553004p-2f));
  q = fma(q, t, set(-0x1.fffeacp-2f));
  q = fma(q, t, set(0x1.fffffep-1f));
  return fma(t, q, max(vf{}, x));
}

// x / (1 + e^-x): relative error below 1e-6 from -8 on, below 5e-6 from -85 on; all but zero below.
STATELINE_INLINE vf silu(vf x) { return x / (exp2(x * -0x1.715476p0f) + 1.0f); }

// x·Φ(x) with the normal distribution's Φ: absolute error below 1e-6. Φ(-|x|) = e^(-x²/2)·t·q(t)/2 with
// t = 1/(1 + p|x|/√2): Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
STATELINE_INLINE vf gelu(vf x) {
  const vf t = set(1.0f) / fma(magnitude(x), set(0.3275911f * 0.70710678f), set(1.0f));
  vf q = fma(t, set(0.5f * 1.061405429f), set(0.5f * -1.453152027f));
  q = fma(q, t, set(0.5f * 1.421413741f));
  q = fma(q, t, set(0.5f * -0.284496736f));
  q = fma(q, t, set(0.5f * 0.254829592f));
  const vf tail = q * t * exp2(x * x * -0.72134752f);  // log2(e)/2
  return fma(-magnitude(x), tail, max(vf{}, x));       // x - x·Φ(-x) above 0, x·Φ(x) below
}

}  // namespace stateline::cpu::STATELINE_ISA
