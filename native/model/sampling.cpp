#include "model/sampling.h"

#include <algorithm>

namespace stateline {
namespace {

// Mixer of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", figure 17).
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;

}  // namespace

std::span<const TopLogit> largest_of(std::span<TopLogit> all, int64_t k) {
  const auto first = std::span(all).first(std::min<size_t>(all.size(), k));
  std::partial_sort(all.begin(), all.begin() + first.size(), all.end(), [](const TopLogit& a, const TopLogit& b) {
    const bool a_nan = a.logit != a.logit, b_nan = b.logit != b.logit;
    if (a_nan || b_nan) return a_nan == b_nan ? a.id < b.id : a_nan;
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  });
  return first;
}

double uniform(uint64_t seed, uint64_t counter) {
  const uint64_t bits = mix(mix(seed + kGolden) + (counter + 1) * kGolden);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

Sampler::Sampler(const Sampling& sampling, int64_t vocabulary)
    : sampling_(sampling), logprobs_(sampling.logprobs, vocabulary) {
  if (!penalises()) return;
  seen_.reserve(vocabulary);
  is_seen_.resize(vocabulary);
  penalised_.resize(vocabulary);
}

void Sampler::see(std::span<const int32_t> tokens) {
  if (!penalises()) return;
  for (const int32_t token : tokens) {
    if (!is_seen_[token]) seen_.push_back(token);
    is_seen_[token] = true;
  }
}

View<const float> Sampler::penalised(View<const float> logits) {
  if (!penalises()) return logits;
  std::copy_n(logits.data, logits.columns, penalised_.begin());
  for (const int32_t token : seen_) {
    float& logit = penalised_[token];
    logit = static_cast<float>(logit > 0 ? logit / sampling_.repetition_penalty : logit * sampling_.repetition_penalty);
  }
  return {penalised_.data(), 1, logits.columns, logits.columns};
}

int32_t Sampler::sample(View<const float> logits, int64_t ordinal, Candidates& candidates) {
  candidates.take(penalised(logits), sampling_.temperature <= 0 ? 1 : sampling_.top_k);
  const int32_t token = choose(candidates, ordinal);
  see({&token, 1});
  if (logprobs_.wanted()) logprobs_.compute(logits, token);
  return token;
}

int64_t Sampler::candidates() const {
  if (penalises() || logprobs_.wanted()) return 0;
  return sampling_.temperature <= 0 ? 1 : sampling_.top_k;
}

int32_t Sampler::sample(std::span<const TopLogit> largest, int64_t ordinal, Candidates& candidates) {
  const int64_t most = this->candidates();
  candidates.take(largest.first(std::min<size_t>(largest.size(), most)));
  return choose(candidates, ordinal);
}

int32_t Sampler::choose(Candidates& candidates, int64_t ordinal) const {
  if (sampling_.temperature <= 0) return candidates.id(0);
  candidates.weigh(sampling_.temperature);
  candidates.keep(sampling_.top_p, sampling_.min_p);
  return candidates.draw(uniform(sampling_.seed, ordinal));
}

}  // namespace stateline
