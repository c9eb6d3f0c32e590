// The gated activation of one row of an MLP.
#include "device/cpu/kernels/math.h"
#include "device/cpu/kernels/ops.h"

namespace stateline::cpu::STATELINE_ISA {

void gelu_gate(const float* gate, const float* up, float* out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, gelu(load(gate + i)) * load(up + i));
  if (i < n) store(out + i, gelu(load(gate + i, n - i)) * load(up + i, n - i), n - i);
}

}  // namespace stateline::cpu::STATELINE_ISA
