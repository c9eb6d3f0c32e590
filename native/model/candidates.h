// The tokens that a draw chooses among, by id: as many as a row has, or fewer. Whatever thins them out keeps a
// beginning of their order (falling logits, lower ids first where they tie), and needs no sorting: what is surely kept
// or surely not is told apart by vectors, and only a few are compared one by one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "device/tensor.h"

namespace stateline {

// One of the largest logits of a row. They stand in falling order, lower ids first where they tie, NaN before all.
struct TopLogit {
  float logit = 0;
  int32_t id = 0;
};

class Candidates {
 public:
  // Allocates for `vocabulary` once.
  explicit Candidates(int64_t vocabulary);

  // All of `row` [1, vocabulary], which outlives their use, or the `top_k` largest where that is not 0. Throws
  // E_LOGITS_NAN.
  void take(View<const float> row, int64_t top_k);
  // Throws E_LOGITS_NAN where the first is none.
  void take(std::span<const TopLogit> largest);
  // From here on a candidate weighs exp((logit - largest logit) / temperature).
  void weigh(double temperature);
  // The fewest likeliest whose weights reach `top_p` of all weights, of those that weigh `min_p` or more.
  void keep(double top_p, double min_p);
  // The first by id with which the weights' sum passes `share` of all, in [0, 1). By id, not by weight: near ties then
  // do not change places with the last bits of the logits.
  int32_t draw(double share);

  int64_t size() const { return count_; }
  int32_t id(int64_t index) const { return ids_ ? ids_[index] : static_cast<int32_t>(index); }

 private:
  static constexpr int64_t kBlock = 256;  // candidates that are weighed together
  static constexpr int64_t kBuckets = 1024;

  struct Weighed {
    TopLogit top;
    double weight;
  };

  // Their sum; sums_ has it by blocks.
  double weights();
  // Those of at least this logit; returns it as f32.
  float keep_from(double logit);
  // Those up to this one.
  void keep_until(TopLogit last);
  // The fewest likeliest that weigh `share` together, or all. None lies below `lowest`.
  void keep_share(double share, float lowest);

  const float* logits_ = nullptr;  // [count_]
  const int32_t* ids_ = nullptr;   // [count_], rising; null: 0, 1, 2, …
  int64_t count_ = 0;
  float best_ = 0;
  double temperature_ = 1;
  double rate_ = 0;  // log2(e) / temperature

  // What logits_ and ids_ point to once some were left out; some of them.  [vocabulary]
  std::unique_ptr<float[]> own_logits_, some_logits_;
  std::unique_ptr<int32_t[]> own_ids_, some_ids_;
  std::vector<TopLogit> order_;
  std::vector<Weighed> bucket_;
  std::vector<double> sums_;
  double mass_[kBuckets];
};

}  // namespace stateline
