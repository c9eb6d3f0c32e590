// Weights that are not numbers end a load: no answer is better than a wrong one.
#pragma once

#include "device/tensor.h"

namespace stateline {

// Whether none of `count` stored values is NaN or infinite.
bool finite(DType type, const std::byte* values, int64_t count);

// What Device::pack throws of weights that are not.
struct NotFinite {};

}  // namespace stateline
