#include <cmath>

#include "test/cuda/fixture.h"

namespace stateline::test {
namespace {

struct Normed {
  Values residual, out;
};

// residual + delta, then the norm of [that ; other], row by row.
Normed expect(const std::vector<float>& residual, const std::vector<float>& delta, const std::vector<float>& other,
              const std::vector<float>& weight, int64_t columns) {
  Normed all;
  for (size_t at = 0; at < residual.size(); at += columns) {
    Values row;
    for (int64_t i = 0; i < columns; ++i) {
      row.push_back(delta.empty() ? residual[at + i] : residual[at + i] + delta[at + i]);
    }
    all.residual.insert(all.residual.end(), row.begin(), row.end());
    if (!other.empty()) row.insert(row.end(), other.begin() + at, other.begin() + at + columns);
    const Values out = reference::norm(row, {}, wide(weight), 1e-5);
    all.out.insert(all.out.end(), out.begin(), out.end());
  }
  return all;
}

constexpr auto kNear = [](size_t) { return 1e-5; };

TEST("CUDA norms equal the reference for every width, with and without delta, weight, a second row and alignment") {
  auto generator = random(130);
  for (const int64_t columns : {1, 5, 64, 130, 768, 1500}) {
    for (const int64_t padding : {0, 3, 4}) {
      const Context context(text(columns) + " columns, padding " + text(padding));
      const auto residual = normal(generator, 3 * columns), delta = normal(generator, 3 * columns),
                 weight = normal(generator, 2 * columns),
                 narrow = std::vector<float>(weight.begin(), weight.begin() + columns);
      const Memory<float> weights(weight);
      in_every_order([&] {
        {
          Rows r(residual, columns, padding), d(delta, columns, padding), out(3, columns, padding);
          CHECK_CUDA(cuda::norm(r.view(), d.view(), weights.data(), 1e-5f, out.view(), nullptr));
          const Normed expected = expect(residual, delta, {}, narrow, columns);
          check_values(r.get(), expected.residual, kNear);
          check_values(out.get(), expected.out, kNear);
        }
        {
          Rows r(residual, columns, padding);
          CHECK_CUDA(cuda::norm(r.view(), {}, nullptr, 1e-5f, r.view(), nullptr));
          check_values(r.get(), expect(residual, {}, {}, {}, columns).out, kNear);
        }
        {
          Rows a(residual, columns, padding), b(delta, columns, padding), out(3, columns, padding);
          CHECK_CUDA(cuda::norm_sum(a.view(), b.view(), weights.data(), 1e-5f, out.view(), nullptr));
          check_values(out.get(), expect(residual, delta, {}, narrow, columns).out, kNear);
          CHECK(a.get() == residual);
        }
        for (const bool with_delta : {false, true}) {
          Rows r(residual, columns, padding), d(delta, columns, padding), other(delta, columns, padding),
              out(3, 2 * columns, padding);
          CHECK_CUDA(cuda::norm_pair(r.view(), with_delta ? d.view() : View<float>{}, other.view(), weights.data(),
                                     1e-5f, out.view(), nullptr));
          const Normed expected = expect(residual, with_delta ? delta : std::vector<float>{}, delta, weight, columns);
          check_values(r.get(), expected.residual, kNear);
          check_values(out.get(), expected.out, kNear);
        }
      });
    }
  }
}

TEST("CUDA embedding, widening and narrowing keep each stored type's values, and an unknown id is not a number") {
  auto generator = random(131);
  for (const DType type : kTypes) {
    const Context context{std::string(name_of(type))};
    const StoredWeights table(generator, type, 11, 300);
    const std::vector<int32_t> ids = {10, 0, 3, 11, -1};
    const Memory<int32_t> id_memory(ids);
    Rows out(5, 300, 1);
    CHECK_CUDA(cuda::embed(table.get(), id_memory.data(), out.view(), nullptr));
    const auto found = out.get();
    Memory<float> wide_memory(std::vector<float>(11 * 300));
    CHECK_CUDA(cuda::widen(table.get(), wide_memory.data(), nullptr));
    const auto widened = wide_memory.get();
    check_values(widened, table.host.values, [](size_t) { return 0.0; });
    for (int t = 0; t < 5; ++t) {
      for (int i = 0; i < 300; ++i) {
        if (t < 3) CHECK_EQUAL(found[t * 300 + i], widened[ids[t] * 300 + i]);
        if (t >= 3) CHECK(std::isnan(found[t * 300 + i]));
      }
    }
    Rows in(widened, 300, 2);
    Memory<std::byte> narrowed(std::vector<std::byte>(11 * 300 * (type == DType::f32 ? 4 : 2)));
    CHECK_CUDA(cuda::narrow(in.view(), type, narrowed.data(), nullptr));
    Memory<float> again(std::vector<float>(11 * 300));
    CHECK_CUDA(cuda::widen({narrowed.data(), type, 11, 300, 300}, again.data(), nullptr));
    CHECK(again.get() == widened);
  }
}

TEST("CUDA gather, bias and the gated gelu equal their formulas") {
  auto generator = random(132);
  const auto source = normal(generator, 6 * 270, 3), up = normal(generator, 6 * 270), bias = normal(generator, 270);
  Rows in(source, 270, 1), ups(up, 270, 2), out(2, 270, 3);
  const Memory<int32_t> rows({5, 2});
  CHECK_CUDA(cuda::gather(in.view(), rows.data(), out.view(), nullptr));
  const auto found = out.get();
  for (int i = 0; i < 270; ++i) CHECK(found[i] == source[5 * 270 + i] && found[270 + i] == source[2 * 270 + i]);

  const Memory<float> biases(bias);
  Rows sums(source, 270, 0);
  CHECK_CUDA(cuda::add_bias(sums.view(), biases.data(), nullptr));
  const auto summed = sums.get();
  for (size_t i = 0; i < summed.size(); ++i) CHECK_EQUAL(summed[i], source[i] + bias[i % 270]);

  CHECK_CUDA(cuda::gelu_gate(in.view(), ups.view(), in.view(), nullptr));
  Values expected;
  for (size_t i = 0; i < source.size(); ++i) expected.push_back(reference::gelu(source[i]) * up[i]);
  check_values(in.get(), expected, [&](size_t i) { return 2e-6 * (1 + std::abs(up[i])); });
}

}  // namespace
}  // namespace stateline::test
