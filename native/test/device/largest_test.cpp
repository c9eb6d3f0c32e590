#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "device/cpu/dispatch.h"
#include "device/cpu/largest.h"
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
  cpu::largest(cpu::kernels(), row.data(), static_cast<int64_t>(row.size()), k, values.data(), ids.data());
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

}  // namespace
}  // namespace stateline::test
