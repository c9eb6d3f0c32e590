// Natural-log loss of a token under a row of logits: log Σ exp(logits) - logits[token].
#pragma once

#include <cstdint>

#include "device/tensor.h"

namespace stateline {

// `logits` [1, vocabulary].
double log_sum_exp(View<const float> logits);
float token_loss(View<const float> logits, int32_t token);

}  // namespace stateline
