// Weights and results that are not numbers end a load or a job: no answer is better than a wrong one.
#pragma once

#include "device/tensor.h"
#include "model/tensors.h"

namespace stateline {

// Every value of a rank's part of a stored tensor must be a number. Throws E_TENSOR_VALUE with the first index of the
// stored tensor that has none.
void refuse_non_finite(Role role, int layer, const TensorSlice& slice);

// `states` [rows, vocabulary or h]. Throws E_LOGITS_NAN.
void refuse_nan(View<const float> states);

}  // namespace stateline
