// One rank's activations, allocated once for the longest step.
#pragma once

#include <memory>
#include <vector>

#include "device/device.h"
#include "model/shape.h"

namespace stateline {

class Workspace {
 public:
  // `inner`: channels of this rank.
  Workspace(Device& device, const ModelShape& shape, int64_t inner, int64_t max_tokens);

  // Views of the first `tokens` rows.
  View<float> residual(int64_t tokens) const { return first(residual_, tokens); }  // [tokens, h]
  View<float> normed(int64_t tokens) const { return first(normed_, tokens); }      // [tokens, h]
  View<float> x(int64_t tokens) const { return first(x_, tokens); }                // [tokens, d/P]
  View<float> u(int64_t tokens) const { return first(u_, tokens); }                // [tokens, d/P]
  View<float> z(int64_t tokens) const { return first(z_, tokens); }                // [tokens, d/P]
  View<float> params(int64_t tokens) const { return first(params_, tokens); }      // [tokens, r + 2N]
  View<float> delta(int64_t tokens) const { return x(tokens); }          // x is spent once the convolution has read it
  View<float> out(int64_t tokens) const { return first(out_, tokens); }  // [tokens, h]

  size_t bytes() const;

 private:
  View<float> matrix(Device& device, int64_t rows, int64_t columns);
  static View<float> first(View<float> matrix, int64_t tokens) { return matrix.rows_from(0, tokens); }

  std::vector<std::unique_ptr<Buffer>> buffers_;
  View<float> residual_, normed_, x_, u_, z_, params_, out_;
};

}  // namespace stateline
