// Attention with its cache, and the MLP's gated activation.
#include <cmath>
#include <limits>

#include "test/device/fixture.h"

namespace stateline::test {
namespace {

struct Case {
  int64_t heads, kv_heads, dim;
  std::vector<int32_t> lengths;  // of steps that go on with one sequence
};

Values head_of(const std::vector<float>& dense, int64_t columns, int64_t head, int64_t dim, int64_t rows) {
  Values out;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < dim; ++i) out.push_back(dense[row * columns + head * dim + i]);
  }
  return out;
}

TEST("attention goes on from step to step as one pass of the reference does, for every shape and head grouping") {
  auto generator = random(50);
  const Case cases[] = {{1, 1, 1, {1, 1, 3}},        {2, 2, 16, {5, 1, 1, 70}}, {4, 2, 15, {64, 1, 63}},
                        {8, 1, 33, {130, 2, 7}},     {3, 3, 464, {9, 1, 20}},   {6, 3, 8, {1, 200}},
                        {2, 1, 100, {17, 16, 15, 4}}};
  for (const Case& each : cases) {
    for (const int threads : {1, 3}) {
      const Context context(text(each.heads) + " heads on " + text(each.kv_heads) + " of " + text(each.dim) + ", " +
                            text(threads) + " threads");
      const auto device = make_cpu_device(threads);
      int64_t tokens = 0;
      for (const int32_t length : each.lengths) tokens += length;
      const int64_t wide_columns = each.heads * each.dim, columns = each.kv_heads * each.dim;
      const auto q = normal(generator, tokens * wide_columns), k = normal(generator, tokens * columns),
                 v = normal(generator, tokens * columns);
      // The sequence lies in the second of two slots.
      const auto keys = device->allocate(2 * tokens * columns), values = device->allocate(2 * tokens * columns);
      const KvCache cache{keys->data(), values->data(), tokens * columns};
      const float scale = 1 / std::sqrt(static_cast<float>(each.dim) / 2);
      std::vector<float> found;
      int32_t position = 0;
      for (const int32_t length : each.lengths) {
        const auto rows = [&](const std::vector<float>& all, int64_t width) {
          return std::vector<float>(all.begin() + position * width, all.begin() + (position + length) * width);
        };
        Padded own_q(rows(q, wide_columns), wide_columns), own_k(rows(k, columns), columns),
            own_v(rows(v, columns), columns), out(length, wide_columns);
        const Segment segment{1, 0, length, position};
        device->attention({each.heads, each.kv_heads, each.dim, scale}, own_q.view(), own_k.view(), own_v.view(),
                          {&segment, 1}, cache, out.view());
        CHECK(out.padding_untouched());
        const auto dense = out.dense();
        found.insert(found.end(), dense.begin(), dense.end());
        position += length;
      }
      for (int64_t head = 0; head < each.heads; ++head) {
        const int64_t kv = head * each.kv_heads / each.heads;
        const Values expected = reference::attention(head_of(q, wide_columns, head, each.dim, tokens),
                                                     head_of(k, columns, kv, each.dim, tokens),
                                                     head_of(v, columns, kv, each.dim, tokens), each.dim, 0, scale);
        const Values actual = head_of(found, wide_columns, head, each.dim, tokens);
        check_values(std::vector<float>(actual.begin(), actual.end()), expected, [](size_t) { return 2e-5; });
      }
      for (int64_t i = 0; i < tokens * columns; ++i) CHECK_EQUAL(keys->data()[i], 0.0f);
    }
  }
}

TEST("sequences of a step attend to their own slots alone") {
  auto generator = random(51);
  const auto device = make_cpu_device(2);
  constexpr int64_t kDim = 24, kTokens = 12;
  const auto keys = device->allocate(3 * kTokens * kDim), values = device->allocate(3 * kTokens * kDim);
  const KvCache cache{keys->data(), values->data(), kTokens * kDim};
  const auto q = normal(generator, kTokens * kDim), k = normal(generator, kTokens * kDim),
             v = normal(generator, kTokens * kDim);
  Padded own_q(q, kDim), own_k(k, kDim), own_v(v, kDim), out(kTokens, kDim);
  const Segment segments[] = {{2, 0, 5, 0}, {0, 5, 7, 0}};
  device->attention({1, 1, kDim, 0.3f}, own_q.view(), own_k.view(), own_v.view(), {segments, 2}, cache, out.view());
  Values expected;
  for (const Segment& segment : segments) {
    const auto part = [&](const std::vector<float>& all) {
      return Values(all.begin() + segment.begin * kDim, all.begin() + (segment.begin + segment.length) * kDim);
    };
    const Values own = reference::attention(part(q), part(k), part(v), kDim, 0, 0.3);
    expected.insert(expected.end(), own.begin(), own.end());
  }
  check_values(out.dense(), expected, [](size_t) { return 1e-5; });
}

TEST("scores far apart, equal or not a number are weighed as a softmax weighs them") {
  const auto device = make_cpu_device(1);
  const auto keys = device->allocate(8), values = device->allocate(8);
  const KvCache cache{keys->data(), values->data(), 8};
  const auto last = [&](std::vector<float> scores) {
    const int32_t count = static_cast<int32_t>(scores.size());
    std::vector<float> ones(count, 1.0f), index(count);
    for (int32_t i = 0; i < count; ++i) index[i] = static_cast<float>(i);
    Padded q(ones, 1), k(scores, 1), v(index, 1), out(count, 1);
    const Segment segment{0, 0, count, 0};
    device->attention({1, 1, 1, 1.0f}, q.view(), k.view(), v.view(), {&segment, 1}, cache, out.view());
    return out.dense().back();
  };
  CHECK_EQUAL(last({-1e30f, 1e30f, 0}), 1.0f);
  CHECK_EQUAL(last({5e4f, 5e4f, 5e4f}), 1.0f);
  CHECK(std::isnan(last({0, std::numeric_limits<float>::quiet_NaN(), 0})));
}

TEST("gelu_gate is the exact gelu times the other half") {
  auto generator = random(52);
  for (const int threads : {1, 2}) {
    const auto device = make_cpu_device(threads);
    for (const int64_t columns : {1, 15, 200, 3001}) {
      const auto gate = normal(generator, 9 * columns, 3), up = normal(generator, 9 * columns);
      Padded own_gate(gate, columns), own_up(up, columns);
      device->gelu_gate(own_gate.view(), own_up.view(), own_gate.view());
      Values expected;
      for (size_t i = 0; i < gate.size(); ++i) expected.push_back(reference::gelu(gate[i]) * up[i]);
      check_values(own_gate.dense(), expected, [&](size_t i) { return 2e-6 * (1 + std::abs(up[i])); });
      CHECK(own_gate.padding_untouched());
    }
  }
}

}  // namespace
}  // namespace stateline::test
