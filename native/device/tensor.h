// Shapes without ownership: what ops read and write. C++17, so that .cu files can share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stateline {

// Row-major matrix that somebody else owns. `stride` is the distance of two rows in elements.
template <class T>
struct View {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;

  T* row(int64_t index) const { return data + index * stride; }
  View rows_from(int64_t begin, int64_t count) const { return {row(begin), count, columns, stride}; }
  View columns_from(int64_t begin, int64_t count) const { return {data + begin, rows, count, stride}; }
  bool empty() const { return data == nullptr || rows == 0 || columns == 0; }
  operator View<const T>() const { return {data, rows, columns, stride}; }
};

enum class DType : uint8_t { f32, f16, bf16 };              // as stored in a checkpoint
enum class ComputeType : uint8_t { f32, bf16, int8, f16 };  // of matrix products; states and sums are f32

// Rows begin, begin + step, … below end of a stored tensor.
struct RowRun {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t step = 1;
};

// What one rank holds of one stored tensor: rows in this order, and of each row the columns
// [column_begin, column_end). `data` points into the mapped checkpoint at the tensor's first element.
struct TensorSlice {
  const std::byte* data = nullptr;
  DType dtype = DType::f32;
  int64_t stored_columns = 0;
  std::vector<RowRun> runs;
  int64_t column_begin = 0;
  int64_t column_end = 0;

  bool empty() const { return data == nullptr || rows() == 0 || columns() == 0; }
  int64_t rows() const;
  int64_t columns() const { return column_end - column_begin; }
  // Rows [begin, begin + count) of this slice, in its order.
  TensorSlice part(int64_t begin, int64_t count) const;
};

// A sequence's tokens inside a step: rows [begin, begin + length) of the activations, state in `slot`.
struct Segment {
  int32_t slot = 0;
  int32_t begin = 0;
  int32_t length = 0;
  int32_t position = 0;  // tokens of the sequence before these
};

struct Segments {
  const Segment* data = nullptr;
  int32_t count = 0;

  const Segment* begin() const { return data; }
  const Segment* end() const { return data + count; }
};

}  // namespace stateline
