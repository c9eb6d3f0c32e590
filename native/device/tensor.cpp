#include "device/tensor.h"

namespace stateline {

int64_t TensorSlice::rows() const {
  int64_t total = 0;
  for (const RowRun& run : runs) {
    if (run.end > run.begin) total += (run.end - run.begin + run.step - 1) / run.step;
  }
  return total;
}

}  // namespace stateline
