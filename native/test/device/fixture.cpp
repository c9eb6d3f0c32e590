#include "test/device/fixture.h"

#include <cstring>

#include "test/reference/number_formats.h"

namespace stateline::test {
namespace {

constexpr float kUntouched = -12345.5f;
constexpr int64_t kOffset = 2;  // bytes: no 4-byte type is aligned behind it

}  // namespace

std::vector<float> normal(std::mt19937_64& generator, int64_t count, float scale, float mean) {
  std::normal_distribution<float> distribution(mean, scale);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(generator);
  return values;
}

int64_t between(std::mt19937_64& generator, int64_t least, int64_t most) {
  return std::uniform_int_distribution<int64_t>(least, most)(generator);
}

Values wide(const std::vector<float>& values) { return {values.begin(), values.end()}; }

std::string_view name_of(DType type) { return type == DType::f32 ? "f32" : type == DType::f16 ? "f16" : "bf16"; }

std::string_view name_of(ComputeType type) {
  return type == ComputeType::f32 ? "f32" : type == ComputeType::bf16 ? "bf16" : "int8";
}

StoredTensor::StoredTensor(std::mt19937_64& generator, DType type, int64_t row_count, int64_t column_count, float scale)
    : dtype(type), rows(row_count), columns(column_count) {
  const std::vector<float> source = normal(generator, rows * columns, scale);
  const int64_t size = dtype == DType::f32 ? 4 : 2;
  bytes.resize(kOffset + rows * columns * size);
  std::byte* to = bytes.data() + kOffset;
  for (const float value : source) {
    if (dtype == DType::f32) {
      std::memcpy(to, &value, 4);
    } else {
      const uint16_t half = dtype == DType::f16 ? reference::encode_f16(value) : reference::encode_bf16(value);
      std::memcpy(to, &half, 2);
    }
    to += size;
    values.push_back(reference::stored(dtype, value));
  }
}

TensorSlice StoredTensor::slice(std::vector<RowRun> runs, int64_t column_begin, int64_t column_end) const {
  return {bytes.data() + kOffset, dtype, columns, std::move(runs), column_begin, column_end};
}

Values StoredTensor::values_of(const TensorSlice& slice) const {
  Values out;
  for (const RowRun& run : slice.runs) {
    for (int64_t row = run.begin; row < run.end; row += run.step) {
      for (int64_t column = slice.column_begin; column < slice.column_end; ++column) {
        out.push_back(values[row * columns + column]);
      }
    }
  }
  return out;
}

Padded::Padded(int64_t row_count, int64_t column_count, int64_t padding)
    : rows(row_count), columns(column_count), stride(column_count + padding), data(rows * stride, kUntouched) {}

Padded::Padded(const std::vector<float>& dense, int64_t column_count, int64_t padding)
    : Padded(static_cast<int64_t>(dense.size()) / column_count, column_count, padding) {
  for (int64_t i = 0; i < rows * columns; ++i) data[i / columns * stride + i % columns] = dense[i];
}

View<float> Padded::view() { return {data.data(), rows, columns, stride}; }

std::vector<float> Padded::dense() const {
  std::vector<float> out;
  for (int64_t row = 0; row < rows; ++row) {
    out.insert(out.end(), data.begin() + row * stride, data.begin() + row * stride + columns);
  }
  return out;
}

bool Padded::padding_untouched() const {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = columns; i < stride; ++i) {
      if (data[row * stride + i] != kUntouched) return false;
    }
  }
  return true;
}

}  // namespace stateline::test
