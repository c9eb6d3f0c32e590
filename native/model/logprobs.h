// Log-probabilities of the token that was chosen and of the likeliest ones, as the model gives them: before penalties,
// temperature and what sampling leaves out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "device/tensor.h"

namespace stateline {

struct TokenLogprob {
  int32_t id;
  float logprob;
};

class Logprobs {
 public:
  // `top`: how many of the likeliest tokens; -1: no log-probabilities at all.
  Logprobs(int64_t top, int64_t vocabulary);

  bool wanted() const { return top_ >= 0; }
  // `logits` [1, vocabulary]. The chosen token, then the likeliest in order, the lower id first of equal ones.
  void compute(View<const float> logits, int32_t chosen);
  // Of the last compute(); empty when none are wanted.
  std::span<const TokenLogprob> values() const { return values_; }

 private:
  int64_t top_;
  std::vector<TokenLogprob> values_;
  std::vector<float> logits_;  // of the likeliest
  std::vector<int32_t> ids_;
};

}  // namespace stateline
