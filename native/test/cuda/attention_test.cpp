#include <cmath>

#include "test/cuda/fixture.h"

namespace stateline::test {
namespace {

struct Shape {
  int64_t heads, kv_heads, dim, capacity;
  std::vector<int> steps;  // lengths that go on with each of two sequences, the second one token shorter where it can
};

Values head_of(const std::vector<float>& dense, int64_t columns, int64_t head, int64_t dim) {
  Values out;
  for (size_t row = 0; row < dense.size(); row += columns) {
    for (int64_t i = 0; i < dim; ++i) out.push_back(dense[row + head * dim + i]);
  }
  return out;
}

// One sequence, all its tokens.
struct Sequence {
  std::vector<float> q, k, v, out;
  int position = 0;
};

void append(std::vector<float>& to, const std::vector<float>& from, int64_t begin, int64_t end) {
  to.insert(to.end(), from.begin() + begin, from.begin() + end);
}

TEST("CUDA attention goes on from step to step as one pass of the reference does, several sequences side by side") {
  auto generator = random(150);
  const Shape shapes[] = {{1, 1, 1, 8, {1, 1, 3}},          {4, 2, 15, 400, {40, 1, 17, 1}},
                          {2, 1, 464, 300, {9, 1, 1, 20}},  {4, 2, 8, 600, {265, 1, 1}},
                          {1, 1, 200, 300, {20, 1, 60, 1}}, {2, 2, 130, 40, {5, 1}},
                          {1, 1, 600, 20, {7, 1}},          {1, 1, 1024, 8, {2, 1}},
                          {1, 1, 461, 20, {5, 1}},          {1, 1, 601, 8, {2, 1}}};
  for (const Shape& shape : shapes) {
    const Context context(text(shape.heads) + " heads on " + text(shape.kv_heads) + " of " + text(shape.dim));
    const int64_t wide_columns = shape.heads * shape.dim, columns = shape.kv_heads * shape.dim;
    const float scale = 1 / std::sqrt(static_cast<float>(shape.dim) / 2);
    const int64_t slot = shape.capacity * columns;
    Memory<float> keys(std::vector<float>(4 * slot, NAN)), values(std::vector<float>(4 * slot, NAN));
    Sequence sequences[2];
    for (Sequence& s : sequences) {
      s.q = normal(generator, shape.capacity * wide_columns);
      s.k = normal(generator, shape.capacity * columns);
      s.v = normal(generator, shape.capacity * columns);
    }
    int turn = 0;
    for (const int step : shape.steps) {
      take_order(turn++);
      const std::vector<int> lengths = {step, step > 1 ? step - 1 : 1};
      const Layout layout(lengths, {sequences[0].position, sequences[1].position});
      std::vector<float> q, k, v;
      for (int i = 0; i < 2; ++i) {
        const Sequence& s = sequences[i];
        append(q, s.q, s.position * wide_columns, (s.position + lengths[i]) * wide_columns);
        append(k, s.k, s.position * columns, (s.position + lengths[i]) * columns);
        append(v, s.v, s.position * columns, (s.position + lengths[i]) * columns);
      }
      Rows qs(q, wide_columns, 4), ks(k, columns, 1), vs(v, columns, 2), out(layout.tokens, wide_columns, 3);
      Memory<float> workspace(
          std::vector<float>(cuda::attention_workspace(shape.heads, shape.dim, shape.capacity, 2, layout.longest)));
      CHECK_CUDA(cuda::attention({shape.heads, shape.kv_heads, shape.dim, scale, qs.view(), ks.view(), vs.view(),
                                  keys.data(), values.data(), slot, shape.capacity, out.view(), workspace.data()},
                                 layout.get(), nullptr));
      const auto found = out.get();
      append(sequences[0].out, found, 0, lengths[0] * wide_columns);
      append(sequences[1].out, found, lengths[0] * wide_columns, layout.tokens * wide_columns);
      for (int i = 0; i < 2; ++i) sequences[i].position += lengths[i];
    }
    take_order(0);
    for (Sequence& s : sequences) {
      s.q.resize(s.position * wide_columns);
      s.k.resize(s.position * columns);
      s.v.resize(s.position * columns);
      for (int64_t head = 0; head < shape.heads; ++head) {
        const int64_t kv = head * shape.kv_heads / shape.heads;
        const Values expected =
            reference::attention(head_of(s.q, wide_columns, head, shape.dim), head_of(s.k, columns, kv, shape.dim),
                                 head_of(s.v, columns, kv, shape.dim), shape.dim, 0, scale);
        const Values actual = head_of(s.out, wide_columns, head, shape.dim);
        check_values(std::vector<float>(actual.begin(), actual.end()), expected, [](size_t) { return 3e-5; });
      }
    }
  }
}

TEST("CUDA scores far apart, equal or not a number are weighed as a softmax weighs them") {
  const auto last = [&](const std::vector<float>& scores) {
    const auto count = static_cast<int32_t>(scores.size());
    std::vector<float> index(count);
    for (int32_t i = 0; i < count; ++i) index[i] = static_cast<float>(i);
    const Layout layout({count});
    Memory<float> keys(std::vector<float>(8 * 4)), values(std::vector<float>(8 * 4));
    Rows q(std::vector<float>(count, 1.0f), 1, 0), k(scores, 1, 0), v(index, 1, 0), out(count, 1, 0);
    CHECK_CUDA(cuda::attention(
        {1, 1, 1, 1.0f, q.view(), k.view(), v.view(), keys.data(), values.data(), 8, 8, out.view(), nullptr},
        layout.get(), nullptr));
    return out.get().back();
  };
  CHECK_EQUAL(last({-1e30f, 1e30f, 0}), 1.0f);
  CHECK_NEAR(last({5e4f, 5e4f, 5e4f}), 1.0, 1e-6);
  CHECK(std::isnan(last({0, std::nanf(""), 0})));
}

}  // namespace
}  // namespace stateline::test
