// What is left to draw from, and what is drawn, against a plain implementation that sorts.
#include "model/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "test/check.h"

namespace stateline::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kRounding = 1e-12;  // of sums: where the last one that is wanted depends on it, either is right

struct Filter {
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
};

std::string words(const Filter& filter) {
  return "temperature " + text(filter.temperature) + ", top k " + text(filter.top_k) + ", top p " + text(filter.top_p) +
         ", min p " + text(filter.min_p);
}

// The candidates' weights by id, those that were left out 0.
std::vector<double> kept_weights(const std::vector<float>& logits, const Filter& filter, const Candidates& kept) {
  const auto count = static_cast<int64_t>(logits.size());
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  if (filter.top_k > 0) order.resize(std::min(filter.top_k, count));
  const float best = logits[order[0]];
  std::vector<double> weights;
  for (const int32_t id : order) {
    const double below = static_cast<double>(logits[id]) - best;
    weights.push_back(logits[id] == best ? 1 : std::exp(below / filter.temperature));
  }
  const double share = filter.top_p * std::reduce(weights.begin(), weights.end(), 0.0);
  double passed = 0;
  int64_t least = 0, most = 0;  // how many may be left
  for (const double weight : weights) {
    if (weight < filter.min_p * (1 - kRounding)) break;
    if (filter.top_p < 1 && passed >= share * (1 + kRounding)) break;
    ++most;
    const bool clear =
        weight >= filter.min_p * (1 + kRounding) && (filter.top_p >= 1 || passed < share * (1 - kRounding));
    if (clear) least = most;
    passed += weight;
  }
  CHECK(kept.size() >= least);
  CHECK(kept.size() <= most);
  order.resize(kept.size());
  std::ranges::sort(order);
  std::vector<double> by_id(count);
  for (int64_t i = 0; i < kept.size(); ++i) {
    CHECK_EQUAL(kept.id(i), order[i]);
    const float logit = logits[order[i]];
    by_id[order[i]] = logit == best ? 1 : std::exp((static_cast<double>(logit) - best) / filter.temperature);
  }
  return by_id;
}

void check_filter(const std::vector<float>& logits, const Filter& filter, Candidates& candidates) {
  const Context context(words(filter) + " of " + text(logits.size()));
  const auto count = static_cast<int64_t>(logits.size());
  candidates.take(View<const float>{logits.data(), 1, count, count}, filter.top_k);
  candidates.weigh(filter.temperature);
  candidates.keep(filter.top_p, filter.min_p);
  const auto weights = kept_weights(logits, filter, candidates);
  const double all = std::reduce(weights.begin(), weights.end(), 0.0);
  for (const double share : {0.0, 0.1, 0.37, 0.5, 0.9, 0.999999, 1 - 0x1p-53}) {
    const int32_t id = candidates.draw(share);
    const double before = std::reduce(weights.begin(), weights.begin() + id, 0.0);
    CHECK(before <= share * all + kRounding * all);
    CHECK(before + weights[id] >= share * all - kRounding * all);
  }
}

}  // namespace

TEST("top k, top p and min p leave what sorting would leave, whatever the logits look like") {
  std::mt19937_64 random(seed());
  std::normal_distribution<float> normal;
  for (const int64_t count : {1, 2, 17, 255, 256, 257, 300, 2048, 5003}) {
    Candidates candidates(count);
    std::vector<std::vector<float>> rows;
    for (const float deviation : {0.5f, 4.0f}) {
      rows.emplace_back(count);
      for (float& logit : rows.back()) logit = deviation * normal(random);
    }
    rows.push_back(rows[1]);
    for (float& logit : rows.back()) logit = std::round(logit);  // ties
    rows.push_back(rows[0]);
    for (int i = 0; i < 5; ++i) rows.back()[random() % count] = static_cast<float>(9 + i);  // a few have it all
    rows.push_back(rows.back());
    for (int i = 0; i < 50; ++i) rows.back()[random() % count] = -kInfinity;
    rows.emplace_back(count, 1.5f);
    rows.emplace_back(count, -kInfinity);
    rows.push_back(rows[1]);
    for (int i = 0; i < 3; ++i) rows.back()[random() % count] = kInfinity;
    rows.push_back(rows[0]);
    rows.back()[random() % count] = 3e38f;
    for (const auto& row : rows) {
      for (const double temperature : {5e-324, 1e-3, 0.7, 1.0, 50.0, 1e5}) {
        for (const double top_p : {1e-9, 0.3, 0.9, 0.999, 1.0}) {
          const int64_t top_ks[] = {0, 1, 7, 256, 257, 1000};
          const double min_ps[] = {0, 0.02, 1};
          check_filter(row, {temperature, 0, top_p, 0}, candidates);
          check_filter(row, {temperature, top_ks[random() % 6], top_p, min_ps[random() % 3]}, candidates);
        }
      }
    }
  }
}

TEST("tokens come as often as the softmax says where there are as many as in a vocabulary") {
  constexpr int64_t kCount = 50280;
  constexpr int kDraws = 20000;
  std::mt19937_64 random(seed());
  std::normal_distribution<float> normal;
  std::vector<float> logits(kCount);
  for (float& logit : logits) logit = 2 * normal(random);
  Candidates candidates(kCount);
  candidates.take(View<const float>{logits.data(), 1, kCount, kCount}, 0);
  candidates.weigh(0.8);
  candidates.keep(0.9, 0);
  const auto weights = kept_weights(logits, {0.8, 0, 0.9, 0}, candidates);
  const double all = std::reduce(weights.begin(), weights.end(), 0.0);
  std::vector<int> seen(8);  // by an eighth of the ids
  std::vector<double> expected(8);
  for (int64_t id = 0; id < kCount; ++id) expected[id * 8 / kCount] += weights[id] / all;
  std::uniform_real_distribution<double> share;
  for (int i = 0; i < kDraws; ++i) {
    const int32_t id = candidates.draw(share(random));
    CHECK(weights[id] > 0);
    ++seen[id * 8ll / kCount];
  }
  for (int i = 0; i < 8; ++i) {
    const double deviation = std::sqrt(expected[i] * (1 - expected[i]) / kDraws);
    CHECK_NEAR(seen[i] / double{kDraws}, expected[i], 5 * deviation);
  }
}

}  // namespace stateline::test
