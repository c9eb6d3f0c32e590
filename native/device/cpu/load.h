// Stored rows to f32.
#pragma once

#include "device/cpu/kernels.h"
#include "device/tensor.h"

namespace stateline::cpu {

// `n` stored values as f32.
void widen(const Kernels& kernels, DType type, const std::byte* in, float* out, int64_t n);

// All rows of a slice, one after another.
void load(const Kernels& kernels, const TensorSlice& slice, float* out);

}  // namespace stateline::cpu
