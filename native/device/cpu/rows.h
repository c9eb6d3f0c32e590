// Where the rows of a slice lie in the mapped checkpoint.
#pragma once

#include "device/tensor.h"

namespace stateline::cpu {

inline int64_t bytes_of(DType type) { return type == DType::f32 ? 4 : 2; }

// First stored element of each row of `slice`, in the slice's order.
class RowWalk {
 public:
  explicit RowWalk(const TensorSlice& slice, int64_t first = 0) : slice_(slice) {
    if (slice.runs.empty()) return;
    for (row_ = slice.runs[0].begin; first > 0 && run_ < slice.runs.size();) {
      const RowRun& run = slice.runs[run_];
      const int64_t left = run.end > row_ ? (run.end - row_ + run.step - 1) / run.step : 0;
      if (first < left) {
        row_ += first * run.step;
        first = 0;
      } else {
        first -= left;
        enter(run_ + 1);
      }
    }
  }

  // The current row; goes on to the next one. To be called at most rows() - first times.
  const std::byte* next() {
    while (row_ >= slice_.runs[run_].end) enter(run_ + 1);
    const std::byte* data = slice_.data + (row_ * slice_.stored_columns + slice_.column_begin) * bytes_of(slice_.dtype);
    row_ += slice_.runs[run_].step;
    return data;
  }

 private:
  void enter(size_t run) {
    run_ = run;
    if (run < slice_.runs.size()) row_ = slice_.runs[run].begin;
  }

  const TensorSlice& slice_;
  size_t run_ = 0;
  int64_t row_ = 0;
};

}  // namespace stateline::cpu
