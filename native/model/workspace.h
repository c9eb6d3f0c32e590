// One rank's activations, allocated once for the longest step.
#pragma once

#include <memory>
#include <vector>

#include "device/device.h"
#include "model/shape.h"
#include "model/weights.h"

namespace stateline {

class Workspace {
 public:
  Workspace(Device& device, const ModelShape& shape, const ModelWeights& weights, int64_t max_tokens);

  // Views of the first `tokens` rows.
  View<float> residual(int64_t tokens) const { return first(residual_, tokens); }  // [tokens, h]
  View<float> normed(int64_t tokens) const { return first(normed_, tokens); }      // [tokens, h]
  View<float> x(int64_t tokens) const { return first(x_, tokens); }                // [tokens, d/P]
  View<float> u(int64_t tokens) const { return first(u_, tokens); }                // [tokens, d/P]
  View<float> z(int64_t tokens) const { return first(z_, tokens); }                // [tokens, d/P]
  View<float> params(int64_t tokens) const { return first(params_, tokens); }      // [tokens, heads · (r + 2N)]
  View<float> delta(int64_t tokens) const { return x(tokens); }          // x is spent once the convolution has read it
  View<float> out(int64_t tokens) const { return first(out_, tokens); }  // [tokens, h]

  // Of hybrid layers; empty in models without.
  View<float> embedding(int64_t tokens) const { return first(embedding_, tokens); }                     // [tokens, h]
  View<float> pair(int64_t tokens) const { return first(pair_, tokens); }                               // [tokens, 2h]
  View<float> hybrid(int64_t tokens) const { return pair(tokens).columns_from(0, residual_.columns); }  // pair is spent
  View<float> q(int64_t tokens) const { return first(q_, tokens); }
  View<float> k(int64_t tokens) const { return first(k_, tokens); }
  View<float> v(int64_t tokens) const { return first(v_, tokens); }
  View<float> attended(int64_t tokens) const { return first(attended_, tokens); }
  View<float> gate(int64_t tokens) const { return first(gate_, tokens); }  // [tokens, m/P]
  View<float> up(int64_t tokens) const { return first(up_, tokens); }      // [tokens, m/P]

  size_t bytes() const;

 private:
  View<float> matrix(Device& device, int64_t rows, int64_t columns);
  static View<float> first(View<float> matrix, int64_t tokens) { return matrix.rows_from(0, tokens); }

  std::vector<std::unique_ptr<Buffer>> buffers_;
  View<float> residual_, normed_, x_, u_, z_, params_, out_;
  View<float> embedding_, pair_, q_, k_, v_, attended_, gate_, up_;
};

}  // namespace stateline
