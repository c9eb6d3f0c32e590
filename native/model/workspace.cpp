#include "model/workspace.h"

namespace stateline {

Workspace::Workspace(Device& device, const ModelShape& shape, const ModelWeights& weights, int64_t max_tokens)
    : residual_(matrix(device, max_tokens, shape.hidden)),
      normed_(matrix(device, max_tokens, shape.hidden)),
      x_(matrix(device, max_tokens, weights.inner)),
      u_(matrix(device, max_tokens, weights.inner)),
      z_(matrix(device, max_tokens, weights.inner)),
      params_(matrix(device, max_tokens, weights.heads() * shape.x_proj_rows())),
      out_(matrix(device, max_tokens, shape.hidden)) {
  if (weights.blocks.empty()) return;
  const SharedBlock& block = *weights.blocks.front();
  embedding_ = matrix(device, max_tokens, shape.hidden);
  pair_ = matrix(device, max_tokens, 2 * shape.hidden);
  q_ = matrix(device, max_tokens, block.q_proj->rows());
  k_ = matrix(device, max_tokens, block.k_proj->rows());
  v_ = matrix(device, max_tokens, block.v_proj->rows());
  attended_ = matrix(device, max_tokens, block.q_proj->rows());
  gate_ = matrix(device, max_tokens, block.gate->rows());
  up_ = matrix(device, max_tokens, block.up->rows());
}

View<float> Workspace::matrix(Device& device, int64_t rows, int64_t columns) {
  buffers_.push_back(device.allocate(rows * columns, "the activations of a step"));
  return {buffers_.back()->data(), rows, columns, columns};
}

size_t Workspace::bytes() const {
  size_t bytes = 0;
  for (const auto& buffer : buffers_) bytes += buffer->bytes();
  return bytes;
}

}  // namespace stateline
