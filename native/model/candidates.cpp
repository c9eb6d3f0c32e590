#include "model/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "device/row.h"
#include "model/finite.h"

namespace stateline {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool ahead(const TopLogit& a, const TopLogit& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; }

}  // namespace

Candidates::Candidates(int64_t vocabulary)
    : own_logits_(std::make_unique_for_overwrite<float[]>(vocabulary)),
      some_logits_(std::make_unique_for_overwrite<float[]>(vocabulary)),
      own_ids_(std::make_unique_for_overwrite<int32_t[]>(vocabulary)),
      some_ids_(std::make_unique_for_overwrite<int32_t[]>(vocabulary)) {
  order_.reserve(vocabulary);
  bucket_.reserve(vocabulary);
  sums_.reserve((vocabulary + kBlock - 1) / kBlock);
}

void Candidates::take(View<const float> row, int64_t top_k) {
  const int64_t most = top_k == 0 ? row.columns : std::min(top_k, row.columns);
  float values[row::kMostLargest];
  int32_t ids[row::kMostLargest];
  const bool few = most <= row::kMostLargest && most < row.columns;
  row::largest(row.data, row.columns, few ? most : 1, values, ids);
  refuse_nan({values, 1, 1, 1});
  order_.clear();
  if (few) {
    for (int64_t i = 0; i < most; ++i) order_.push_back({values[i], ids[i]});
    return take(std::span<const TopLogit>(order_));
  }
  logits_ = row.data;
  ids_ = nullptr;
  count_ = row.columns;
  best_ = values[0];
  if (most == row.columns) return;
  for (int32_t id = 0; id < row.columns; ++id) order_.push_back({row.data[id], id});
  std::nth_element(order_.begin(), order_.begin() + (most - 1), order_.end(), ahead);
  keep_until(order_[most - 1]);
}

void Candidates::take(std::span<const TopLogit> largest) {
  best_ = largest.front().logit;
  refuse_nan({&best_, 1, 1, 1});
  if (largest.data() != order_.data()) order_.assign(largest.begin(), largest.end());
  std::ranges::sort(order_, {}, &TopLogit::id);
  count_ = 0;
  for (const TopLogit& each : order_) {
    own_logits_[count_] = each.logit;
    own_ids_[count_++] = each.id;
  }
  logits_ = own_logits_.get();
  ids_ = own_ids_.get();
}

void Candidates::weigh(double temperature) {
  temperature_ = temperature;
  rate_ = std::min(std::numbers::log2e / temperature, std::numeric_limits<double>::max());  // infinity · 0 is none
}

double Candidates::weights() {
  double total = 0;
  sums_.clear();
  for (int64_t begin = 0; begin < count_; begin += kBlock) {
    sums_.push_back(row::weigh(logits_ + begin, std::min(kBlock, count_ - begin), best_, rate_, nullptr));
    total += sums_.back();
  }
  return total;
}

void Candidates::keep(double top_p, double min_p) {
  const auto logit_of = [&](double weight) {
    return std::isinf(best_) ? best_ : best_ + temperature_ * std::log(weight);
  };
  if (top_p >= 1) {
    if (min_p > 0) keep_from(logit_of(min_p));
    return;
  }
  const double all = weights();
  // Those that weigh less than this come to less than what top_p leaves out, all together.
  const double spare = (1 - top_p) * all / (2 * static_cast<double>(count_));
  keep_share(top_p * all, keep_from(logit_of(std::max(min_p, spare))));
}

float Candidates::keep_from(double logit) {
  auto from = static_cast<float>(logit);
  if (from < logit) from = std::nextafter(from, kInfinity);
  count_ = row::gather_between(logits_, ids_, 0, count_, from, kInfinity, own_logits_.get(), own_ids_.get());
  logits_ = own_logits_.get();
  ids_ = own_ids_.get();
  return from;
}

void Candidates::keep_until(TopLogit last) {
  const int64_t end = ids_ ? std::upper_bound(ids_, ids_ + count_, last.id) - ids_ : last.id + 1;
  float* logits = own_logits_.get();
  int32_t* ids = own_ids_.get();
  int64_t kept = row::gather_between(logits_, ids_, 0, end, last.logit, kInfinity, logits, ids);
  const float above = std::nextafter(last.logit, kInfinity);
  if (above > last.logit) {
    kept += row::gather_between(logits_, ids_, end, count_, above, kInfinity, logits + kept, ids + kept);
  }
  logits_ = logits;
  ids_ = ids;
  count_ = kept;
}

// The last one that is wanted: first its bucket, by the weights of all of them, then by halves of the bucket.
void Candidates::keep_share(double share, float lowest) {
  const float range = best_ - lowest, scale = kBuckets / range;
  const bool divide = std::isfinite(scale) && scale > 0;
  const auto bucket_of = [&](float logit) {
    return divide ? std::min<int64_t>(static_cast<int32_t>((best_ - logit) * scale), kBuckets - 1) : 0;
  };
  std::fill(std::begin(mass_), std::end(mass_), 0);
  double weights[kBlock];
  for (int64_t begin = 0; begin < count_; begin += kBlock) {
    const int64_t count = std::min(kBlock, count_ - begin);
    row::weigh(logits_ + begin, count, best_, rate_, weights);
    for (int64_t i = 0; i < count; ++i) mass_[bucket_of(logits_[begin + i])] += weights[i];
  }
  double kept = 0;
  int64_t bucket = 0;
  while (bucket < kBuckets && kept + mass_[bucket] < share) kept += mass_[bucket++];
  if (bucket == kBuckets) return;  // the last bits of the sums decide: all are wanted

  // A bucket's bounds are a little off in f32.
  const float width = range / kBuckets, place = static_cast<float>(bucket);
  const float from = best_ - width * (place + 2), to = best_ - width * (place - 1);
  const int64_t some = row::gather_between(logits_, ids_, 0, count_, divide ? from : -kInfinity,
                                           divide ? to : kInfinity, some_logits_.get(), some_ids_.get());
  bucket_.clear();
  for (int64_t begin = 0; begin < some; begin += kBlock) {
    const int64_t count = std::min(kBlock, some - begin);
    row::weigh(some_logits_.get() + begin, count, best_, rate_, weights);
    for (int64_t i = 0; i < count; ++i) {
      const TopLogit top{some_logits_[begin + i], some_ids_[begin + i]};
      if (bucket_of(top.logit) == bucket) bucket_.push_back({top, weights[i]});
    }
  }
  auto first = bucket_.begin(), last = bucket_.end();
  while (last - first > 1) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, [](const Weighed& a, const Weighed& b) { return ahead(a.top, b.top); });
    double half = 0;
    for (auto each = first; each != middle; ++each) half += each->weight;
    if (kept + half >= share) {
      last = middle;
    } else {
      kept += half;
      first = middle;
    }
  }
  keep_until(first->top);
}

int32_t Candidates::draw(double share) {
  const double target = share * weights();
  double passed = 0;
  size_t block = 0;
  while (block + 1 < sums_.size() && passed + sums_[block] <= target) passed += sums_[block++];
  const int64_t begin = static_cast<int64_t>(block) * kBlock, count = std::min(kBlock, count_ - begin);
  double weights[kBlock];
  row::weigh(logits_ + begin, count, best_, rate_, weights);
  int64_t last = 0;
  for (; last + 1 < count; ++last) {
    passed += weights[last];
    if (passed > target) break;
  }
  return id(begin + last);
}

}  // namespace stateline
