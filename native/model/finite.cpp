#include "model/finite.h"

#include "runtime/error.h"

namespace stateline {

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
