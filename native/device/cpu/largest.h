// The largest values of a row, as sampling wants them.
#pragma once

#include <cstdint>

#include "device/cpu/kernels.h"

namespace stateline::cpu {

// values[i], ids[i]: the i-th largest of row[0..count) and where it stands, the lower id first where they tie, NaN
// before all. 1 ≤ k ≤ count.
void largest(const Kernels& kernels, const float* row, int64_t count, int64_t k, float* values, int32_t* ids);

}  // namespace stateline::cpu
