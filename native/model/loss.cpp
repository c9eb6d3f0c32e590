#include "model/loss.h"

#include <algorithm>
#include <cmath>

namespace stateline {

double log_sum_exp(View<const float> logits) {
  const float* row = logits.data;
  float largest = row[0];
  for (int64_t i = 1; i < logits.columns; ++i) largest = std::max(largest, row[i]);
  double sum = 0;
  for (int64_t i = 0; i < logits.columns; ++i) sum += std::exp(row[i] - largest);
  return std::log(sum) + static_cast<double>(largest);
}

float token_loss(View<const float> logits, int32_t token) {
  return static_cast<float>(log_sum_exp(logits) - logits.data[token]);
}

}  // namespace stateline
