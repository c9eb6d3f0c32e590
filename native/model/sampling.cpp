#include "model/sampling.h"

#include <algorithm>
#include <cmath>

#include "model/finite.h"

namespace stateline {
namespace {

// Mixer of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", figure 17).
uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;

// The lowest id on a tie. The other ranks wait meanwhile: a block's largest value is found by vectors, its id once.
int32_t largest(const float* logits, int64_t count) {
  constexpr int64_t kBlock = 256, kLanes = 16;
  float best = logits[0];
  int64_t at = 0;  // first id of the block that has it
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = std::min(count, begin + kBlock);
    float lanes[kLanes];
    std::fill_n(lanes, kLanes, best);
    int64_t id = begin;
    for (; id + kLanes <= end; id += kLanes) {
      for (int64_t i = 0; i < kLanes; ++i) lanes[i] = logits[id + i] > lanes[i] ? logits[id + i] : lanes[i];
    }
    float most = *std::max_element(lanes, lanes + kLanes);
    for (; id < end; ++id) most = std::max(most, logits[id]);
    if (most > best) at = begin;
    best = most;
  }
  return static_cast<int32_t>(std::find(logits + at, logits + count, best) - logits);
}

constexpr auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };

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
  if (sampling_.temperature > 0) candidates_.reserve(vocabulary);
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

int32_t Sampler::sample(View<const float> logits, int64_t ordinal) {
  refuse_nan(logits);
  const int32_t token = choose(penalised(logits), ordinal);
  see({&token, 1});
  if (logprobs_.wanted()) logprobs_.compute(logits, token);
  return token;
}

int32_t Sampler::choose(View<const float> logits, int64_t ordinal) {
  if (sampling_.temperature <= 0) return largest(logits.data, logits.columns);

  candidates_.clear();
  for (int64_t id = 0; id < logits.columns; ++id) {
    candidates_.push_back({logits.data[id], static_cast<int32_t>(id), 0});
  }
  keep_top_k();
  return draw(ordinal);
}

int64_t Sampler::candidates() const {
  if (penalises() || logprobs_.wanted()) return 0;
  return sampling_.temperature <= 0 ? 1 : sampling_.top_k;
}

int32_t Sampler::sample(std::span<const TopLogit> largest, int64_t ordinal) {
  refuse_nan({&largest.front().logit, 1, 1, 1});
  if (sampling_.temperature <= 0) return largest.front().id;
  candidates_.clear();
  for (const TopLogit& each : largest.first(std::min<size_t>(largest.size(), sampling_.top_k))) {
    candidates_.push_back({each.logit, each.id, 0});
  }
  std::sort(candidates_.begin(), candidates_.end(), by_id);
  return draw(ordinal);
}

int32_t Sampler::draw(int64_t ordinal) {
  const double sum = keep_min_p(keep_top_p(weigh()));

  // By id, not by weight: near ties then do not change places with the last bits of the logits.
  const double target = uniform(sampling_.seed, ordinal) * sum;
  double passed = 0;
  for (const Candidate& candidate : candidates_) {
    passed += candidate.weight;
    if (passed > target) return candidate.id;
  }
  return candidates_.back().id;
}

void Sampler::keep_top_k() {
  const int64_t k = sampling_.top_k;
  if (k <= 0 || k >= static_cast<int64_t>(candidates_.size())) return;
  std::nth_element(
      candidates_.begin(), candidates_.begin() + (k - 1), candidates_.end(),
      [](const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; });
  candidates_.resize(k);
  std::sort(candidates_.begin(), candidates_.end(), by_id);
}

double Sampler::weigh() {
  float best = candidates_.front().logit;
  for (const Candidate& candidate : candidates_) best = std::max(best, candidate.logit);
  double sum = 0;
  for (Candidate& candidate : candidates_) {
    const double below = static_cast<double>(candidate.logit) - best;
    candidate.weight = candidate.logit == best ? 1 : std::exp(below / sampling_.temperature);  // inf - inf is none
    sum += candidate.weight;
  }
  return sum;
}

// The likeliest candidates whose weights together reach the share. A heap gives them without sorting them all.
double Sampler::keep_top_p(double sum) {
  if (sampling_.top_p >= 1) return sum;
  const auto less_likely = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.id > b.id;
  };
  const double share = sampling_.top_p * sum;
  auto end = candidates_.end();  // kept ones gather behind it
  std::make_heap(candidates_.begin(), end, less_likely);
  double kept = 0;
  do {
    kept += candidates_.front().weight;
    std::pop_heap(candidates_.begin(), end--, less_likely);
  } while (kept < share && end != candidates_.begin());
  candidates_.erase(candidates_.begin(), end);
  std::sort(candidates_.begin(), candidates_.end(), by_id);
  return kept;
}

// Weights are relative to the likeliest token's, which always stays.
double Sampler::keep_min_p(double sum) {
  if (sampling_.min_p <= 0) return sum;
  std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.weight < sampling_.min_p; });
  double kept = 0;
  for (const Candidate& candidate : candidates_) kept += candidate.weight;
  return kept;
}

}  // namespace stateline
