#include "model/loss.h"

#include <algorithm>
#include <cmath>

namespace stateline {

float token_loss(View<const float> logits, int32_t token) {
  const float* row = logits.data;
  float largest = row[0];
  for (int64_t i = 1; i < logits.columns; ++i) largest = std::max(largest, row[i]);
  double sum = 0;
  for (int64_t i = 0; i < logits.columns; ++i) sum += std::exp(row[i] - largest);
  return static_cast<float>(std::log(sum) + static_cast<double>(largest) - row[token]);
}

}  // namespace stateline
