// Logits and hidden states that are not numbers end a job: no answer is better than a wrong one.
#pragma once

#include "device/tensor.h"

namespace stateline {

// `states` [rows, vocabulary or h]. Throws E_LOGITS_NAN.
void refuse_nan(View<const float> states);

}  // namespace stateline
