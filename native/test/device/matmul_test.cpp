#include <algorithm>
#include <cmath>
#include <cstring>

#include "test/device/fixture.h"
#include "test/reference/number_formats.h"

namespace stateline::test {
namespace {

struct Shape {
  int64_t tokens, rows, columns;
};

constexpr ComputeType kComputeTypes[] = {ComputeType::f32, ComputeType::bf16, ComputeType::int8};

// Activations or weights as the compute type sees them.
reference::Quantised seen_by(ComputeType type, const Values& values, int64_t columns) {
  if (type == ComputeType::int8) return reference::int8(values, columns, 128);
  reference::Quantised seen{values, Values(values.size())};
  if (type == ComputeType::bf16) {
    for (double& value : seen.values) value = reference::stored(DType::bf16, static_cast<float>(value));
  }
  return seen;
}

void check_matmul(Device& device, const TensorSlice& slice, const Values& weight, const StoredTensor* bias,
                  ComputeType type, Shape shape, std::mt19937_64& generator) {
  const Context context(text(shape.tokens) + " × " + text(shape.columns) + " to " + text(shape.rows) + ", stored " +
                        std::string(name_of(slice.dtype)) + ", computed in " + std::string(name_of(type)) +
                        (bias ? ", with bias" : ""));
  const std::vector<float> source = normal(generator, shape.tokens * shape.columns);
  Padded in(source, shape.columns);
  Padded out(shape.tokens, shape.rows);
  const TensorSlice bias_slice = bias ? bias->whole() : TensorSlice{};
  const auto matrix = device.pack(slice, bias ? &bias_slice : nullptr, type);
  CHECK_EQUAL(matrix->rows(), shape.rows);
  CHECK_EQUAL(matrix->columns(), shape.columns);
  CHECK(matrix->bytes() > 0);
  device.matmul(*matrix, in.view(), out.view());

  const auto [a, a_doubt] = seen_by(type, wide(source), shape.columns);
  const auto [w, w_doubt] = seen_by(type, weight, shape.columns);
  const auto magnitudes = [&](const Values& left, const Values& right) {
    return reference::matmul_scale(left, right, shape.tokens, shape.rows, shape.columns);
  };
  const Values expected =
      reference::matmul(a, w, bias ? bias->values : Values{}, shape.tokens, shape.rows, shape.columns);
  const Values scale = magnitudes(a, w), halfway_a = magnitudes(a_doubt, w), halfway_w = magnitudes(a, w_doubt);
  const double rounding = 0x1p-22 * (2 + std::sqrt(static_cast<double>(shape.columns)));
  check_values(out.dense(), expected,
               [&](size_t i) { return rounding * (scale[i] + 1) + halfway_a[i] + halfway_w[i]; });
  CHECK(out.padding_untouched());
}

TEST("a matrix product equals the reference for every stored type, compute type, shape and number of threads") {
  constexpr Shape kShapes[] = {{1, 1, 1},    {1, 7, 5},    {1, 64, 48},   {2, 33, 31},    {3, 100, 17},  {5, 16, 64},
                               {6, 130, 9},  {7, 31, 130}, {12, 48, 33},  {13, 200, 100}, {14, 97, 63},  {15, 32, 32},
                               {16, 80, 96}, {29, 65, 40}, {61, 300, 77}, {200, 18, 257}, {1, 700, 101}, {9, 2000, 20}};
  auto generator = random(1);
  for (const int threads : {1, 2, 3}) {
    const Context context(text(threads) + " threads");
    const auto device = make_cpu_device(threads);
    for (const Shape shape : kShapes) {
      const auto dtype = static_cast<DType>(between(generator, 0, 2));
      for (const ComputeType type : kComputeTypes) {
        const StoredTensor weight(generator, dtype, shape.rows, shape.columns);
        const StoredTensor bias(generator, DType::f32, shape.rows, 1);
        const bool with_bias = between(generator, 0, 1) == 1;
        check_matmul(*device, weight.whole(), weight.values, with_bias ? &bias : nullptr, type, shape, generator);
      }
    }
  }
}

TEST("a matrix may be any rows and columns of a stored tensor, of every stored type") {
  auto generator = random(2);
  const auto device = make_cpu_device(2);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const ComputeType type : kComputeTypes) {
      const StoredTensor stored(generator, dtype, 150, 61);
      const TensorSlice slices[] = {stored.slice({{75, 150, 1}}, 0, 61),
                                    stored.slice({{0, 40, 1}, {75, 115, 1}}, 0, 61), stored.slice({{1, 150, 2}}, 3, 40),
                                    stored.slice({{0, 0, 1}, {5, 149, 7}}, 60, 61), stored.slice({{0, 150, 1}}, 1, 2)};
      for (const TensorSlice& slice : slices) {
        for (const int64_t tokens : {1, 4, 40}) {
          check_matmul(*device, slice, stored.values_of(slice), nullptr, type, {tokens, slice.rows(), slice.columns()},
                       generator);
        }
      }
    }
  }
}

TEST("a product of more rows than one block holds equals the reference") {
  auto generator = random(3);
  const auto device = make_cpu_device(2);
  for (const ComputeType type : kComputeTypes) {
    const StoredTensor weight(generator, DType::f32, 40, 2000);
    check_matmul(*device, weight.whole(), weight.values, nullptr, type, {300, 40, 2000}, generator);
  }
}

TEST("threads share a product without changing one bit of it") {
  auto generator = random(4);
  const StoredTensor weight(generator, DType::bf16, 1000, 200);
  for (const int64_t tokens : {1, 8, 100}) {
    const std::vector<float> source = normal(generator, tokens * 200);
    for (const ComputeType type : kComputeTypes) {
      std::vector<float> first;
      for (const int threads : {1, 2, 3}) {
        const auto device = make_cpu_device(threads);
        const auto matrix = device->pack(weight.whole(), nullptr, type);
        Padded in(source, 200), out(tokens, 1000);
        device->matmul(*matrix, in.view(), out.view());
        if (threads == 1) first = out.dense();
        CHECK(out.dense() == first);
      }
    }
  }
}

TEST("a token's product has the same bits alone and among any number of others") {
  auto generator = random(6);
  const auto device = make_cpu_device(2);
  constexpr int64_t kTokens = 33, kRows = 70, kColumns = 901;
  const StoredTensor weight(generator, DType::bf16, kRows, kColumns);
  for (const ComputeType type : kComputeTypes) {
    const auto matrix = device->pack(weight.whole(), nullptr, type);
    Padded in(normal(generator, kTokens * kColumns), kColumns), alone(kTokens, kRows), together(kTokens, kRows);
    for (int64_t t = 0; t < kTokens; ++t) {
      device->matmul(*matrix, in.view().rows_from(t, 1), alone.view().rows_from(t, 1));
    }
    for (const int64_t count : {2, 5, 6, 13, 16, 33}) {
      device->matmul(*matrix, in.view().rows_from(0, count), together.view().rows_from(0, count));
      for (int64_t t = 0; t < count; ++t) {
        CHECK(std::equal(together.view().row(t), together.view().row(t) + kRows, alone.view().row(t)));
      }
    }
  }
}

TEST("int8 products of the largest magnitudes do not saturate") {
  auto generator = random(7);
  const auto device = make_cpu_device(1);
  StoredTensor weight(generator, DType::f32, 40, 600);
  for (int64_t i = 0; i < 40 * 600; ++i) {
    const float value = weight.values[i] < 0 ? -127.0f : 127.0f;
    weight.values[i] = value;
    std::memcpy(weight.bytes.data() + (weight.slice({}, 0, 0).data - weight.bytes.data()) + i * 4, &value, 4);
  }
  std::vector<float> row(weight.values.begin(), weight.values.begin() + 600);
  Padded in(row, 600), out(1, 40);
  const auto matrix = device->pack(weight.whole(), nullptr, ComputeType::int8);
  device->matmul(*matrix, in.view(), out.view());
  const Values expected = reference::matmul(wide(row), weight.values, {}, 1, 40, 600);
  for (int64_t i = 0; i < 40; ++i) CHECK_EQUAL(out.view().row(0)[i], static_cast<float>(expected[i]));
}

TEST("NaN in an activation reaches every output of its row and no other row") {
  auto generator = random(5);
  const auto device = make_cpu_device(2);
  for (const ComputeType type : kComputeTypes) {
    const StoredTensor weight(generator, DType::f32, 70, 50);
    const auto matrix = device->pack(weight.whole(), nullptr, type);
    for (const int64_t tokens : {3, 40}) {
      Padded in(normal(generator, tokens * 50), 50), out(tokens, 70);
      in.view().row(1)[49] = std::nanf("");
      device->matmul(*matrix, in.view(), out.view());
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t i = 0; i < 70; ++i) CHECK_EQUAL(std::isnan(out.view().row(t)[i]), t == 1);
      }
    }
  }
}

}  // namespace
}  // namespace stateline::test
