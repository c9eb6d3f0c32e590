// Random tensors as a checkpoint stores them, beside their values in double precision.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "device/cpu/cpu_device.h"
#include "device/tensor.h"
#include "test/check.h"
#include "test/reference/ops.h"

namespace stateline::test {

using reference::Values;

std::vector<float> normal(std::mt19937_64& generator, int64_t count, float scale = 1, float mean = 0);
int64_t between(std::mt19937_64& generator, int64_t least, int64_t most);
Values wide(const std::vector<float>& values);
std::string_view name_of(DType type);
std::string_view name_of(ComputeType type);

// `rows` × `columns` random values behind an offset that leaves them badly aligned, as safetensors may.
struct StoredTensor {
  StoredTensor(std::mt19937_64& generator, DType dtype, int64_t rows, int64_t columns, float scale = 1);

  TensorSlice whole() const { return slice({{0, rows, 1}}, 0, columns); }
  TensorSlice slice(std::vector<RowRun> runs, int64_t column_begin, int64_t column_end) const;
  // What a slice holds, row by row.
  Values values_of(const TensorSlice& slice) const;

  DType dtype;
  int64_t rows;
  int64_t columns;
  Values values;  // after rounding to dtype
  std::vector<std::byte> bytes;
};

// Rows with more room between them than they need; what lies there must survive.
struct Padded {
  Padded(int64_t rows, int64_t columns, int64_t padding = 3);
  explicit Padded(const std::vector<float>& dense, int64_t columns, int64_t padding = 5);
  View<float> view();
  std::vector<float> dense() const;
  bool padding_untouched() const;

  int64_t rows;
  int64_t columns;
  int64_t stride;
  std::vector<float> data;
};

// Checks each value against the reference; tolerance(i) is absolute.
template <class Tolerance>
void check_values(const std::vector<float>& actual, const Values& expected, const Tolerance& tolerance) {
  CHECK_EQUAL(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size() && i < expected.size(); ++i) {
    const double bound = tolerance(i);
    if (!(std::abs(actual[i] - expected[i]) <= bound)) {
      fail(__FILE__, __LINE__,
           "value " + text(i) + " is " + text(actual[i]) + ", expected " + text(expected[i]) + " ± " + text(bound));
    }
  }
}

}  // namespace stateline::test
