#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "device/row.h"
#include "test/device/fixture.h"

namespace stateline::test {
namespace {

void check_order(const std::vector<float>& row, int64_t k) {
  std::vector<int32_t> order(row.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(
      order, [&](int32_t a, int32_t b) { return std::isnan(row[a]) ? !std::isnan(row[b]) : row[a] > row[b]; });
  std::vector<float> values(k);
  std::vector<int32_t> ids(k);
  row::largest(row.data(), static_cast<int64_t>(row.size()), k, values.data(), ids.data());
  order.resize(k);
  CHECK(ids == order);
  for (int64_t i = 0; i < k; ++i) CHECK(values[i] == row[order[i]] || std::isnan(row[order[i]]));
}

TEST("the largest of a row come in order, the lower id first where they tie, NaN before all") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  std::mt19937_64 generator(240);
  for (const int64_t count : {1, 2, 15, 64, 65, 300, 5003}) {
    for (const int64_t k : {1, 2, 40, 256}) {
      if (k > count) continue;
      const Context context(text(k) + " of " + text(count));
      auto row = normal(generator, count, 4);
      check_order(row, k);
      std::ranges::transform(row, row.begin(), [](float value) { return std::round(value); });  // ties
      check_order(row, k);
      for (int i = 0; i < 3; ++i) row[between(generator, 0, count - 1)] = i == 0 ? -kInfinity : kInfinity;
      check_order(row, k);
      for (int i = 0; i < 3; ++i) row[between(generator, 0, count - 1)] = kNan;
      check_order(row, k);
      check_order(std::vector<float>(count, -kInfinity), k);
      check_order(std::vector<float>(count, kNan), k);
      std::ranges::sort(row = normal(generator, count, 4));
      check_order(row, k);
    }
  }
}

TEST("gathering keeps what lies between two values, in order, infinities and ties included, also where it was read") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  std::mt19937_64 generator(241);
  for (const int64_t count : {1, 3, 16, 63, 64, 65, 200, 1003}) {
    auto row = normal(generator, count, 4);
    std::ranges::transform(row, row.begin(), [](float value) { return std::round(value); });
    for (const float value : {kInfinity, -kInfinity, kNan}) row[between(generator, 0, count - 1)] = value;
    for (const auto& [least, most] : std::vector<std::pair<float, float>>{
             {-kInfinity, kInfinity}, {0, kInfinity}, {kInfinity, kInfinity}, {-3, 2}, {1, 1}, {2, 1}}) {
      const int64_t begin = between(generator, 0, count - 1), end = between(generator, begin, count);
      std::vector<float> values;
      std::vector<int32_t> ids;
      for (int64_t i = begin; i < end; ++i) {
        if (!(row[i] >= least && row[i] <= most)) continue;
        values.push_back(row[i]);
        ids.push_back(static_cast<int32_t>(i));
      }
      const Context context(text(begin) + " to " + text(end) + " between " + text(least) + " and " + text(most));
      auto out = row;
      std::vector<int32_t> numbers(count), named(count);
      std::iota(named.begin(), named.end(), 0);
      CHECK_EQUAL(row::gather_between(row.data(), nullptr, begin, end, least, most, out.data(), numbers.data()),
                  static_cast<int64_t>(ids.size()));
      CHECK(std::ranges::equal(values, std::span(out).first(values.size())));
      CHECK(std::ranges::equal(ids, std::span(numbers).first(ids.size())));
      out = row;
      row::gather_between(out.data(), named.data(), begin, end, least, most, out.data(), named.data());
      CHECK(std::ranges::equal(values, std::span(out).first(values.size())));
      CHECK(std::ranges::equal(ids, std::span(named).first(ids.size())));
      for (int64_t i = end; i < count; ++i) CHECK_EQUAL(named[i], i);
    }
  }
}

TEST("weights are exponentials in double precision, 1 at the largest logit, 0 of minus infinity") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::mt19937_64 generator(242);
  for (const int64_t count : {1, 2, 7, 8, 31, 32, 33, 500}) {
    for (const double rate : {0.01, 1.442695, 37.0}) {
      auto row = normal(generator, count, 4);
      const float best = *std::ranges::max_element(row);
      if (count > 7) row[5] = -kInfinity;
      std::vector<double> weights(count);
      const double sum = row::weigh(row.data(), count, best, rate, weights.data());
      CHECK_EQUAL(row::weigh(row.data(), count, best, rate, nullptr), sum);
      double expected = 0;
      for (int64_t i = 0; i < count; ++i) {
        const double weight = std::exp2((static_cast<double>(row[i]) - best) * rate);
        expected += weight;
        if (row[i] == best) CHECK_EQUAL(weights[i], 1);
        if (row[i] == -kInfinity) CHECK_EQUAL(weights[i], 0);
        CHECK_NEAR(weights[i], weight, weight * 1e-15 + 1e-300);
        double alone;
        row::weigh(row.data() + i, 1, best, rate, &alone);
        CHECK_EQUAL(alone, weights[i]);
      }
      CHECK_NEAR(sum, expected, expected * 1e-14);
    }
  }
  double weights[3];
  CHECK_EQUAL(row::weigh(std::vector<float>{kInfinity, 3, kInfinity}.data(), 3, kInfinity, 1, weights), 2);
  CHECK_EQUAL(weights[1], 0);
  CHECK_EQUAL(row::weigh(std::vector<float>(3, -kInfinity).data(), 3, -kInfinity, 1, weights), 3);
}

}  // namespace
}  // namespace stateline::test
