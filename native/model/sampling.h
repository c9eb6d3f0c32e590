// The next token from the last logits. Random numbers come from a counter (the ordinal of the new token), not from a
// state, so that a seed gives the same text for every number of ranks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "device/tensor.h"
#include "model/candidates.h"
#include "model/logprobs.h"

namespace stateline {

struct Sampling {
  double temperature = 0;  // 0: the largest logit, the lowest id on a tie
  int64_t top_k = 0;       // 0: all
  double top_p = 1;        // 1: all
  double min_p = 0;        // least probability relative to the likeliest token's; 0: all
  // Logits of tokens that were seen are divided by it when positive, multiplied when negative (arXiv 1909.05858,
  // section 4.1, as transformers has it); 1: none.
  double repetition_penalty = 1;
  uint64_t seed = 0;
  int64_t logprobs = -1;  // likeliest tokens to report beside the chosen one; -1: report none
};

class Sampler {
 public:
  // Allocates for `vocabulary` once.
  Sampler(const Sampling& sampling, int64_t vocabulary);

  // Tokens of the prompt, which the repetition penalty counts; those sampled here count by themselves.
  void see(std::span<const int32_t> tokens);
  // `logits` [1, vocabulary]; `ordinal`: how many tokens were sampled before. `candidates` has room for the vocabulary.
  // Throws E_LOGITS_NAN.
  int32_t sample(View<const float> logits, int64_t ordinal, Candidates& candidates);
  // How many of the largest logits choose the token; 0: all are wanted.
  int64_t candidates() const;
  // The same token, from candidates() of the largest logits or more.
  int32_t sample(std::span<const TopLogit> largest, int64_t ordinal, Candidates& candidates);
  // Of the token sampled last: its own, then the likeliest ones'. Empty unless asked for.
  std::span<const TokenLogprob> logprobs() const { return logprobs_.values(); }

 private:
  bool penalises() const { return sampling_.repetition_penalty != 1; }
  View<const float> penalised(View<const float> logits);
  int32_t choose(Candidates& candidates, int64_t ordinal) const;

  Sampling sampling_;
  std::vector<int32_t> seen_;     // each once
  std::vector<bool> is_seen_;     // by id
  std::vector<float> penalised_;  // [vocabulary]
  Logprobs logprobs_;
};

// The `k` largest of what some lists have, in order; `all` holds them one after the other, and is sorted.
std::span<const TopLogit> largest_of(std::span<TopLogit> all, int64_t k);

// Uniform in [0, 1), the same for the same arguments.
double uniform(uint64_t seed, uint64_t counter);

}  // namespace stateline
