#include "device/tensor.h"

#include <algorithm>

namespace stateline {

int64_t TensorSlice::rows() const {
  int64_t total = 0;
  for (const RowRun& run : runs) {
    if (run.end > run.begin) total += (run.end - run.begin + run.step - 1) / run.step;
  }
  return total;
}

TensorSlice TensorSlice::part(int64_t begin, int64_t count) const {
  TensorSlice slice = *this;
  slice.runs.clear();
  for (const RowRun& run : runs) {
    const int64_t rows = run.end > run.begin ? (run.end - run.begin + run.step - 1) / run.step : 0;
    const int64_t from = std::clamp<int64_t>(begin, 0, rows), to = std::clamp<int64_t>(begin + count, 0, rows);
    if (from < to) slice.runs.push_back({run.begin + from * run.step, run.begin + (to - 1) * run.step + 1, run.step});
    begin -= rows;
  }
  return slice;
}

}  // namespace stateline
