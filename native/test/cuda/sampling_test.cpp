#include <algorithm>
#include <cmath>
#include <numeric>

#include "test/cuda/fixture.h"

namespace stateline::test {
namespace {

TEST("CUDA top_k returns the largest logits in order, the lower id first where they tie") {
  auto generator = random(160);
  for (const int64_t columns : {1, 2, 300, 5000}) {
    for (const int32_t k : {1, 2, 50, 1024}) {
      if (k > columns) continue;
      const Context context(text(k) + " of " + text(columns));
      auto logits = normal(generator, 3 * columns, 4);
      for (int64_t i = 0; i < columns; ++i) logits[columns + i] = std::round(logits[i]);  // ties
      for (int64_t i = 0; i < columns; ++i) logits[2 * columns + i] = i % 2 ? -0.0f : 0.0f;
      in_every_order([&] {
        Rows rows(logits, columns, 2);
        Memory<int32_t> ids(std::vector<int32_t>(3 * k));
        Memory<float> values(std::vector<float>(3 * k));
        CHECK_CUDA(cuda::top_k(rows.view(), k, ids.data(), values.data(), nullptr));
        const auto found = ids.get();
        const auto found_values = values.get();
        for (int64_t row = 0; row < 3; ++row) {
          const float* own = logits.data() + row * columns;
          std::vector<int32_t> order(columns);
          std::iota(order.begin(), order.end(), 0);
          std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return own[a] > own[b]; });
          for (int32_t i = 0; i < k; ++i) {
            CHECK_EQUAL(found[row * k + i], order[i]);
            CHECK_EQUAL(found_values[row * k + i], own[order[i]]);
          }
        }
      });
    }
  }
}

TEST("CUDA top_k shows a logit that is not a number, and refuses more tokens than there are") {
  std::vector<float> logits(100, 1.0f);
  logits[77] = std::nanf("");
  Rows rows(logits, 100, 0);
  Memory<int32_t> ids(std::vector<int32_t>(1));
  Memory<float> values(std::vector<float>(1));
  CHECK_CUDA(cuda::top_k(rows.view(), 1, ids.data(), values.data(), nullptr));
  CHECK_EQUAL(ids.get()[0], 77);
  CHECK(std::isnan(values.get()[0]));
  CHECK_EQUAL(cuda::top_k(rows.view(), 101, ids.data(), values.data(), nullptr), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace stateline::test
