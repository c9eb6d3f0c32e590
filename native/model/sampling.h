// The next token from the last logits. Random numbers come from a counter (the ordinal of the new token), not from a
// state, so that a seed gives the same text for every number of ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "device/tensor.h"

namespace stateline {

struct Sampling {
  double temperature = 0;  // 0: the largest logit, the lowest id on a tie
  int64_t top_k = 0;       // 0: all
  double top_p = 1;        // 1: all
  uint64_t seed = 0;
};

class Sampler {
 public:
  // Allocates for `vocabulary` once.
  Sampler(const Sampling& sampling, int64_t vocabulary);

  // `logits` [1, vocabulary]; `ordinal`: how many tokens were sampled before. Throws E_LOGITS_NAN.
  int32_t sample(View<const float> logits, int64_t ordinal);

 private:
  struct Candidate {
    float logit;
    int32_t id;
    double weight;  // probability relative to the likeliest token's
  };

  void keep_top_k();
  double weigh();                 // returns the sum of the weights
  double keep_top_p(double sum);  // returns the sum of those kept

  Sampling sampling_;
  std::vector<Candidate> candidates_;  // by id
};

// Uniform in [0, 1), the same for the same arguments.
double uniform(uint64_t seed, uint64_t counter);

}  // namespace stateline
