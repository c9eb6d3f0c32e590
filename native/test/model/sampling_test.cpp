#include "model/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "model/loss.h"
#include "runtime/error.h"
#include "test/check.h"

namespace stateline::test {
namespace {

View<const float> view(const std::vector<float>& logits) {
  const auto count = static_cast<int64_t>(logits.size());
  return {logits.data(), 1, count, count};
}

int32_t choose(Sampler& sampler, View<const float> logits, int64_t ordinal) {
  Candidates candidates(logits.columns);
  return sampler.sample(logits, ordinal, candidates);
}

// How often each token comes in `draws`.
std::map<int32_t, int> counts(const Sampling& sampling, const std::vector<float>& logits, int draws) {
  Sampler sampler(sampling, static_cast<int64_t>(logits.size()));
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[choose(sampler, view(logits), i)];
  return counts;
}

}  // namespace

TEST("the largest logits choose the token that all of them would, however many lists they come in") {
  std::mt19937 random(3);
  Candidates candidates(200);
  for (const Sampling& sampling : {Sampling{}, Sampling{.temperature = 1, .top_k = 7},
                                   Sampling{.temperature = 0.7, .top_k = 40, .top_p = 0.8, .seed = 5},
                                   Sampling{.temperature = 2, .top_k = 20, .min_p = 0.1, .seed = 9}}) {
    std::vector<float> logits(200);
    for (float& logit : logits) logit = static_cast<float>(random() % 30) / 4;  // ties
    Sampler all(sampling, 200), some(sampling, 200);
    const int64_t k = some.candidates();
    for (int ordinal = 0; ordinal < 50; ++ordinal) {
      std::vector<TopLogit> lists;
      for (const int32_t begin : {0, 90}) {
        std::vector<TopLogit> list;
        for (int32_t id = begin; id < (begin ? 200 : 90); ++id) list.push_back({logits[id], id});
        const auto own = largest_of(list, k);
        lists.insert(lists.end(), own.begin(), own.end());
      }
      CHECK_EQUAL(some.sample(largest_of(lists, k), ordinal, candidates), choose(all, view(logits), ordinal));
    }
  }
  Sampler greedy({}, 3);
  std::vector<TopLogit> poisoned = {{5, 0}, {std::nanf(""), 1}, {7, 2}};
  CHECK_THROWS(greedy.sample(largest_of(poisoned, 1), 0, candidates), "E_LOGITS_NAN");
  CHECK_EQUAL(Sampler({.repetition_penalty = 1.1}, 3).candidates(), 0);
  CHECK_EQUAL(Sampler({.logprobs = 0}, 3).candidates(), 0);
  CHECK_EQUAL(Sampler({.temperature = 1}, 3).candidates(), 0);
}

TEST("temperature 0 takes the largest logit, and the lowest id of equal ones") {
  Sampler sampler({}, 5);
  CHECK_EQUAL(choose(sampler, view({1, 3, 2, 3, 0}), 0), 1);
  CHECK_EQUAL(choose(sampler, view({-5, -5, -5, -5, -5}), 7), 0);
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK_EQUAL(choose(sampler, view({-infinity, -infinity, -3, -infinity, -4}), 0), 2);

  std::mt19937 random(1);
  for (const int64_t count : {1, 15, 16, 17, 255, 256, 257, 271, 272, 600, 1024, 5000}) {
    Sampler greedy({}, count);
    for (int round = 0; round < 20; ++round) {
      std::vector<float> logits(count);
      for (float& logit : logits) logit = static_cast<float>(random() % (round + 2)) - 1;  // many are equal
      const auto expected = std::ranges::max_element(logits) - logits.begin();
      CHECK_EQUAL(choose(greedy, view(logits), round), static_cast<int32_t>(expected));
    }
  }
}

TEST("logits that are not numbers are an error, not token 0") {
  for (const double temperature : {0.0, 1.0}) {
    Sampler sampler({.temperature = temperature}, 3);
    CHECK_THROWS(choose(sampler, view({1, std::nanf(""), 2}), 0), "E_LOGITS_NAN");
  }
}

TEST("sampled tokens come as often as the softmax says") {
  const std::vector<float> logits = {0, 1, 2, -1};
  constexpr int kDraws = 40000;
  for (const double temperature : {0.5, 1.0, 2.0}) {
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit / temperature);
    const auto seen = counts({.temperature = temperature, .seed = seed()}, logits, kDraws);
    for (int32_t id = 0; id < 4; ++id) {
      const double share = std::exp(logits[id] / temperature) / sum;
      const double deviation = std::sqrt(share * (1 - share) / kDraws);
      CHECK_NEAR((seen.contains(id) ? seen.at(id) : 0) / double{kDraws}, share, 5 * deviation);
    }
  }
}

TEST("top k keeps the k largest, and the lower ids of equal ones") {
  const auto seen = counts({.temperature = 10, .top_k = 3, .seed = 1}, {5, 1, 3, 3, 3, 4}, 3000);
  CHECK_EQUAL(seen.size(), size_t{3});
  for (const int32_t id : {0, 2, 5}) CHECK(seen.contains(id));
}

TEST("top p keeps the fewest likeliest tokens that reach the share") {
  const std::vector<float> logits = {std::log(0.1f), std::log(0.5f), std::log(0.3f), std::log(0.1f)};
  CHECK_EQUAL(counts({.temperature = 1, .top_p = 0.4, .seed = 1}, logits, 2000).size(), size_t{1});
  CHECK_EQUAL(counts({.temperature = 1, .top_p = 0.7, .seed = 1}, logits, 2000).size(), size_t{2});
  const auto three = counts({.temperature = 1, .top_p = 0.85, .seed = 1}, logits, 4000);
  CHECK_EQUAL(three.size(), size_t{3});
  CHECK(three.contains(0));  // the lower id of the equal ones
  CHECK_EQUAL(counts({.temperature = 1, .top_p = 1e-9, .seed = 1}, logits, 100).size(), size_t{1});
}

TEST("min p keeps the tokens of at least that share of the likeliest one's probability") {
  const std::vector<float> logits = {std::log(0.1f), std::log(0.5f), std::log(0.3f), std::log(0.1f)};
  CHECK_EQUAL(counts({.temperature = 1, .min_p = 0.61, .seed = 1}, logits, 2000).size(), size_t{1});
  CHECK_EQUAL(counts({.temperature = 1, .min_p = 0.59, .seed = 1}, logits, 2000).size(), size_t{2});
  CHECK_EQUAL(counts({.temperature = 1, .min_p = 0.19, .seed = 1}, logits, 2000).size(), size_t{4});
  CHECK_EQUAL(counts({.temperature = 1, .min_p = 1, .seed = 1}, logits, 100).at(1), 100);
  // The temperature comes first: 0.1 / 0.5 becomes its square root.
  CHECK_EQUAL(counts({.temperature = 2, .min_p = 0.4, .seed = 1}, logits, 2000).size(), size_t{4});
  CHECK_EQUAL(counts({.temperature = 1, .top_k = 3, .top_p = 0.9, .min_p = 0.3, .seed = 1}, logits, 2000).size(),
              size_t{2});
}

TEST("the repetition penalty lowers each token that was seen once, in the prompt or since, whatever its sign") {
  Sampler greedy({.repetition_penalty = 2}, 4);
  const std::vector<float> logits = {3, 4, -1, -1.5f};
  greedy.see(std::vector<int32_t>{1, 1, 1});
  CHECK_EQUAL(choose(greedy, view(logits), 0), 0);  // 3, 2, -1, -1.5
  CHECK_EQUAL(choose(greedy, view(logits), 1), 1);  // 1.5, 2
  CHECK_EQUAL(choose(greedy, view({-2, -2, -1, -1.5f}), 2), 2);
  CHECK_EQUAL(choose(greedy, view({-2, -2, -1, -1.5f}), 3), 3);  // -4, -4, -2, -1.5
  Sampler rewards({.repetition_penalty = 0.5}, 2);
  rewards.see(std::vector<int32_t>{1});
  CHECK_EQUAL(choose(rewards, view({3, 2}), 0), 1);
}

TEST("log-probabilities are the model's own, whatever the sampling does to them") {
  const std::vector<float> logits = {1, 3, 2, 3, 0};
  const double sum = std::log(2 * std::exp(3.0) + std::exp(2.0) + std::exp(1.0) + 1);
  Sampler sampler({.temperature = 5, .top_k = 1, .repetition_penalty = 3, .logprobs = 3}, 5);
  sampler.see(std::vector<int32_t>{1, 3});
  CHECK_EQUAL(choose(sampler, view(logits), 0), 2);
  const auto values = sampler.logprobs();
  CHECK_EQUAL(values.size(), size_t{4});
  const int32_t ids[] = {2, 1, 3, 2};
  for (size_t i = 0; i < 4; ++i) {
    CHECK_EQUAL(values[i].id, ids[i]);
    CHECK_NEAR(values[i].logprob, logits[ids[i]] - sum, 1e-6);
  }
  Sampler chosen({.logprobs = 0}, 5);
  choose(chosen, view(logits), 0);
  CHECK_EQUAL(chosen.logprobs().size(), size_t{1});
  Sampler all({.logprobs = 99}, 5);
  choose(all, view(logits), 0);
  CHECK_EQUAL(all.logprobs().size(), size_t{6});
  Sampler none({}, 5);
  choose(none, view(logits), 0);
  CHECK(none.logprobs().empty());
}

TEST("an infinite logit is always chosen") {
  const auto seen = counts({.temperature = 1, .seed = 3}, {0, std::numeric_limits<float>::infinity(), 5}, 200);
  CHECK_EQUAL(seen.at(1), 200);
}

TEST("the same seed and ordinal give the same token, whatever was drawn before; another seed gives others") {
  const std::vector<float> logits(100, 0.0f);
  Sampler a({.temperature = 1, .seed = 5}, 100), b({.temperature = 1, .seed = 5}, 100);
  Sampler other({.temperature = 1, .seed = 6}, 100);
  int equal = 0;
  for (int i = 0; i < 50; ++i) choose(a, view(logits), i);
  for (int i = 0; i < 50; ++i) {
    CHECK_EQUAL(choose(a, view(logits), i), choose(b, view(logits), i));
    equal += choose(b, view(logits), i) == choose(other, view(logits), i);
  }
  CHECK(equal < 10);
}

TEST("the loss of a token is the log of the inverse of its probability, for large logits too") {
  const std::vector<float> logits = {1000, 1001, 998, 1000.5f};
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - 1001.0);
  for (int32_t id = 0; id < 4; ++id) {
    CHECK_NEAR(token_loss(view(logits), id), -(logits[id] - 1001.0 - std::log(sum)), 1e-4);
  }
}

}  // namespace stateline::test
