#include "model/finite.h"

#include <cstring>
#include <string>

#include "device/finite.h"
#include "runtime/error.h"

namespace stateline {
namespace {

std::string text_of(DType type, const std::byte* value) {
  uint32_t bits = 0;
  std::memcpy(&bits, value, type == DType::f32 ? 4 : 2);
  const uint32_t fraction = type == DType::f32 ? 0x7fffff : type == DType::f16 ? 0x3ff : 0x7f;
  if (bits & fraction) return "NaN";
  return bits >> (type == DType::f32 ? 31 : 15) ? "-Infinity" : "Infinity";
}

// `values`: how many to look through from the tensor's start, one of which is no number.
[[noreturn]] void refuse(Role role, int layer, const TensorSlice& slice, int64_t values) {
  const int64_t width = slice.dtype == DType::f32 ? 4 : 2;
  int64_t index = 0;
  while (index + 1 < values && finite(slice.dtype, slice.data + index * width, 1)) ++index;
  const std::string value = text_of(slice.dtype, slice.data + index * width), at = std::to_string(index);
  throw Error(
      "E_TENSOR_VALUE",
      std::string(name_of(role)) + " has " + value + " at index " + at + "; weights must be finite numbers",
      {{"role", std::string(name_of(role))}, {"layer", std::to_string(layer)}, {"index", at}, {"value", value}});
}

}  // namespace

void refuse_non_finite(Role role, int layer, const TensorSlice& slice) {
  const int64_t width = slice.dtype == DType::f32 ? 4 : 2;
  for (const RowRun& run : slice.runs) {
    for (int64_t row = run.begin; row < run.end; row += run.step) {
      const int64_t begin = row * slice.stored_columns + slice.column_begin;
      if (!finite(slice.dtype, slice.data + begin * width, slice.columns())) {
        refuse(role, layer, slice, begin + slice.columns());
      }
    }
  }
}

void refuse_nan(View<const float> states) {
  int nan = 0;
  for (int64_t row = 0; row < states.rows; ++row) {
    const float* values = states.row(row);
    for (int64_t i = 0; i < states.columns; ++i) nan |= values[i] != values[i];
  }
  if (nan) {
    throw Error("E_LOGITS_NAN",
                "what the model computes are not numbers: the weights or the wire type overflow in this model");
  }
}

}  // namespace stateline
