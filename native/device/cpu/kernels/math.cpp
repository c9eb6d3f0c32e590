// The functions of math.h over arrays.
#include "device/cpu/kernels/math.h"

#include "device/cpu/kernels/ops.h"

namespace stateline::cpu::STATELINE_ISA {
namespace {

struct Exp2 {
  static inline __attribute__((always_inline)) vf of(vf x) { return exp2(x); }
};
struct Softplus {
  static inline __attribute__((always_inline)) vf of(vf x) { return softplus(x); }
};
struct Silu {
  static inline __attribute__((always_inline)) vf of(vf x) { return silu(x); }
};
struct Gelu {
  static inline __attribute__((always_inline)) vf of(vf x) { return gelu(x); }
};

template <class Function>
STATELINE_INLINE void apply(const float* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t count = n - i < kLanes ? n - i : kLanes;
    store(out + i, Function::of(load(in + i, count)), count);
  }
}

}  // namespace

void exp2_values(const float* in, float* out, int64_t n) { apply<Exp2>(in, out, n); }
void softplus_values(const float* in, float* out, int64_t n) { apply<Softplus>(in, out, n); }
void silu_values(const float* in, float* out, int64_t n) { apply<Silu>(in, out, n); }
void gelu_values(const float* in, float* out, int64_t n) { apply<Gelu>(in, out, n); }

}  // namespace stateline::cpu::STATELINE_ISA
