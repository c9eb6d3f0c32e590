// f16 and bf16 as their definitions say, one value at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "device/tensor.h"

namespace stateline::reference {

double decode_f16(uint16_t value);
double decode_bf16(uint16_t value);

// Nearest value, ties to even; overflow gives infinity, NaN a NaN.
uint16_t encode_f16(float value);
uint16_t encode_bf16(float value);

// Rows of `columns` values as int8 with a scale for each `group` neighbours keeps them: whole multiples of the group's
// largest magnitude / 127. `doubt` is the step of those that lie halfway, to within float rounding, and 0 elsewhere.
struct Quantised {
  std::vector<double> values, doubt;
};
Quantised int8(const std::vector<double>& rows, int64_t columns, int64_t group);

// A value as a checkpoint of that type keeps it.
double stored(DType type, float value);

}  // namespace stateline::reference
