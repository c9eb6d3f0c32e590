#include "model/loss.h"

#include <cmath>
#include <numbers>

#include "device/row.h"

namespace stateline {

double log_sum_exp(View<const float> logits) {
  float largest;
  int32_t id;
  row::largest(logits.data, logits.columns, 1, &largest, &id);
  return std::log(row::weigh(logits.data, logits.columns, largest, std::numbers::log2e, nullptr)) + largest;
}

float token_loss(View<const float> logits, int32_t token) {
  return static_cast<float>(log_sum_exp(logits) - logits.data[token]);
}

}  // namespace stateline
