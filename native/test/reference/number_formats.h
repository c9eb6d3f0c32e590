// f16 and bf16 as their definitions say, one value at a time.
#pragma once

#include <cstdint>

#include "device/tensor.h"

namespace stateline::reference {

double decode_f16(uint16_t value);
double decode_bf16(uint16_t value);

// Nearest value, ties to even; overflow gives infinity, NaN a NaN.
uint16_t encode_f16(float value);
uint16_t encode_bf16(float value);

// A value as a checkpoint of that type keeps it.
double stored(DType type, float value);

}  // namespace stateline::reference
