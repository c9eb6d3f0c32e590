#include "model/logprobs.h"

#include <algorithm>
#include <numeric>

#include "model/loss.h"

namespace stateline {

Logprobs::Logprobs(int64_t top, int64_t vocabulary) : top_(std::min(top, vocabulary)) {
  if (!wanted()) return;
  values_.resize(top_ + 1);
  order_.resize(vocabulary);
}

void Logprobs::compute(View<const float> logits, int32_t chosen) {
  const float* row = logits.data;
  const double sum = log_sum_exp(logits);
  const auto entry = [&](int32_t id) { return TokenLogprob{id, static_cast<float>(row[id] - sum)}; };
  values_[0] = entry(chosen);
  std::iota(order_.begin(), order_.end(), 0);
  std::partial_sort(order_.begin(), order_.begin() + top_, order_.end(),
                    [row](int32_t a, int32_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
  std::transform(order_.begin(), order_.begin() + top_, values_.begin() + 1, entry);
}

}  // namespace stateline
