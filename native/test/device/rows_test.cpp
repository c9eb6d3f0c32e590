// Ops on rows: norm, embed, load; and the device's own errors.
#include <cmath>

#include "runtime/error.h"
#include "test/device/fixture.h"

namespace stateline::test {
namespace {

TEST("norm adds the residual and scales rows as the reference does, with and without delta and weight") {
  auto generator = random(30);
  for (const int threads : {1, 2, 3}) {
    const auto device = make_cpu_device(threads);
    for (const int64_t columns : {1, 7, 64, 100, 768, 5000}) {
      for (const int64_t rows : {1, 3, 30}) {
        for (const bool with_delta : {false, true}) {
          for (const bool with_weight : {false, true}) {
            const Context context(text(rows) + " × " + text(columns) + ", " + text(threads) + " threads");
            const std::vector<float> source = normal(generator, rows * columns),
                                     change = normal(generator, rows * columns);
            const std::vector<float> weight = normal(generator, columns);
            Padded residual(source, columns), delta(change, columns), out(rows, columns);
            device->norm(residual.view(), with_delta ? View<const float>(delta.view()) : View<const float>{},
                         with_weight ? weight.data() : nullptr, 1e-5f, out.view());
            Values expected, expected_residual;
            for (int64_t row = 0; row < rows; ++row) {
              const auto at = [&](const std::vector<float>& all) {
                return Values(all.begin() + row * columns, all.begin() + (row + 1) * columns);
              };
              Values own = at(source);
              const Values y =
                  reference::norm(own, with_delta ? at(change) : Values{}, with_weight ? wide(weight) : Values{}, 1e-5);
              expected.insert(expected.end(), y.begin(), y.end());
              expected_residual.insert(expected_residual.end(), own.begin(), own.end());
            }
            check_values(out.dense(), expected, [&](size_t i) { return 2e-6 * (1 + std::abs(expected[i])); });
            check_values(residual.dense(), expected_residual, [&](size_t) { return 1e-6; });
            CHECK(out.padding_untouched() && residual.padding_untouched());
          }
        }
      }
    }
  }
}

TEST("norm_sum and norm_pair are the norm of the sum and of the pair, and only norm_pair moves the residual") {
  auto generator = random(33);
  for (const int threads : {1, 3}) {
    const auto device = make_cpu_device(threads);
    for (const int64_t columns : {1, 37, 128, 3000}) {
      constexpr int64_t kRows = 11;
      const auto a = normal(generator, kRows * columns), b = normal(generator, kRows * columns),
                 other = normal(generator, kRows * columns), weight = normal(generator, 2 * columns);
      Padded left(a, columns), right(b, columns), embedding(other, columns), sum(kRows, columns),
          pair(kRows, 2 * columns);
      device->norm_sum(left.view(), right.view(), weight.data(), 1e-5f, sum.view());
      CHECK(left.dense() == a);
      device->norm_pair(left.view(), right.view(), embedding.view(), weight.data(), 1e-5f, pair.view());
      Values expected_sum, expected_pair;
      for (int64_t row = 0; row < kRows; ++row) {
        const auto at = [&](const std::vector<float>& all) {
          return Values(all.begin() + row * columns, all.begin() + (row + 1) * columns);
        };
        Values added = at(a);
        const Values own = reference::norm(added, at(b), Values(weight.begin(), weight.begin() + columns), 1e-5);
        expected_sum.insert(expected_sum.end(), own.begin(), own.end());
        const Values beside = at(other);
        added.insert(added.end(), beside.begin(), beside.end());
        const Values both = reference::norm(added, {}, wide(weight), 1e-5);
        expected_pair.insert(expected_pair.end(), both.begin(), both.end());
      }
      check_values(sum.dense(), expected_sum, [&](size_t i) { return 3e-6 * (1 + std::abs(expected_sum[i])); });
      check_values(pair.dense(), expected_pair, [&](size_t i) { return 3e-6 * (1 + std::abs(expected_pair[i])); });
      const auto moved = left.dense();
      for (size_t i = 0; i < a.size(); ++i) CHECK_EQUAL(moved[i], a[i] + b[i]);
      CHECK(sum.padding_untouched() && pair.padding_untouched());
    }
  }
}

TEST("a part of a slice is its rows in order, across runs and steps") {
  auto generator = random(34);
  const StoredTensor stored(generator, DType::f32, 40, 3);
  const TensorSlice slice = stored.slice({{0, 9, 2}, {12, 12, 1}, {20, 31, 5}, {33, 37, 1}}, 1, 3);
  const Values all = stored.values_of(slice);
  for (int64_t begin = 0; begin <= slice.rows(); ++begin) {
    for (int64_t count = 0; begin + count <= slice.rows(); ++count) {
      const TensorSlice part = slice.part(begin, count);
      CHECK_EQUAL(part.rows(), count);
      CHECK(stored.values_of(part) == Values(all.begin() + begin * 2, all.begin() + (begin + count) * 2));
    }
  }
}

TEST("a row of zeros has a norm of zeros") {
  const auto device = make_cpu_device(1);
  Padded residual(std::vector<float>(50, 0.0f), 50), out(1, 50);
  device->norm(residual.view(), {}, nullptr, 1e-5f, out.view());
  for (const float value : out.dense()) CHECK_EQUAL(value, 0.0f);
}

TEST("embeddings are the stored rows, exactly, from every stored type and slice") {
  auto generator = random(31);
  for (const int threads : {1, 2}) {
    const auto device = make_cpu_device(threads);
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
      const StoredTensor table(generator, dtype, 90, 301);
      const TensorSlice slices[] = {table.whole(), table.slice({{40, 80, 1}}, 0, 301),
                                    table.slice({{0, 9, 3}, {50, 50, 1}, {60, 90, 2}}, 5, 200)};
      for (const TensorSlice& slice : slices) {
        const int64_t columns = slice.columns();
        const Values rows = table.values_of(slice);
        std::vector<int32_t> ids;
        for (int i = 0; i < 120; ++i) ids.push_back(static_cast<int32_t>(between(generator, 0, slice.rows() - 1)));
        Padded out(static_cast<int64_t>(ids.size()), columns);
        device->embed(*device->keep(slice), ids.data(), out.view());
        Values expected;
        for (const int32_t id : ids) {
          expected.insert(expected.end(), rows.begin() + id * columns, rows.begin() + (id + 1) * columns);
        }
        check_values(out.dense(), expected, [](size_t) { return 0.0; });
        CHECK(out.padding_untouched());
      }
    }
  }
}

TEST("an id outside the table is refused by name") {
  auto generator = random(32);
  const auto device = make_cpu_device(2);
  const StoredTensor table(generator, DType::f32, 10, 4);
  Padded out(2, 4);
  for (const int32_t bad : {-1, 10, 1 << 30}) {
    const int32_t ids[] = {3, bad};
    CHECK_THROWS(device->embed(*device->keep(table.whole()), ids, out.view()), "E_TOKEN");
  }
}

TEST("load copies any rows and columns of a stored tensor as f32") {
  auto generator = random(33);
  const auto device = make_cpu_device(2);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    const StoredTensor stored(generator, dtype, 45, 23);
    for (const TensorSlice& slice : {stored.whole(), stored.slice({{44, 45, 1}, {3, 30, 9}}, 7, 8),
                                     stored.slice({{0, 45, 2}, {1, 45, 2}}, 1, 23)}) {
      std::vector<float> out(slice.rows() * slice.columns());
      device->load(slice, out.data());
      check_values(out, stored.values_of(slice), [](size_t) { return 0.0; });
    }
  }
}

TEST("memory of the device is zeroed and aligned, small and large") {
  const auto device = make_cpu_device(1);
  for (const size_t floats : {size_t{1}, size_t{1000}, size_t{3} << 20}) {
    const auto buffer = device->allocate(floats);
    CHECK(buffer->bytes() >= floats * sizeof(float));
    CHECK_EQUAL(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
    CHECK_EQUAL(buffer->data()[0], 0.0f);
    CHECK_EQUAL(buffer->data()[floats - 1], 0.0f);
    buffer->data()[floats - 1] = 1;
  }
}

TEST("a device needs at least one thread and memory that exists") {
  CHECK_THROWS(make_cpu_device(0), "E_THREADS");
  CHECK_THROWS(make_cpu_device(-3), "E_THREADS");
  CHECK_THROWS(make_cpu_device(1 << 20), "E_THREADS");
  const auto device = make_cpu_device(1);
  CHECK_THROWS(device->allocate(size_t{1} << 52), "E_MEMORY");
}

}  // namespace
}  // namespace stateline::test
