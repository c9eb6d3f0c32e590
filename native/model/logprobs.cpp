#include "model/logprobs.h"

#include <algorithm>

#include "device/row.h"
#include "model/loss.h"

namespace stateline {

Logprobs::Logprobs(int64_t top, int64_t vocabulary) : top_(std::min(top, vocabulary)) {
  if (!wanted()) return;
  values_.resize(top_ + 1);
  logits_.resize(top_);
  ids_.resize(top_);
}

void Logprobs::compute(View<const float> logits, int32_t chosen) {
  const double sum = log_sum_exp(logits);
  const auto entry = [&](int32_t id) { return TokenLogprob{id, static_cast<float>(logits.data[id] - sum)}; };
  values_[0] = entry(chosen);
  if (top_ > 0) row::largest(logits.data, logits.columns, top_, logits_.data(), ids_.data());
  std::ranges::transform(ids_, values_.begin() + 1, entry);
}

}  // namespace stateline
