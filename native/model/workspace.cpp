#include "model/workspace.h"

namespace stateline {

Workspace::Workspace(Device& device, const ModelShape& shape, int64_t inner, int64_t max_tokens)
    : residual_(matrix(device, max_tokens, shape.hidden)),
      normed_(matrix(device, max_tokens, shape.hidden)),
      x_(matrix(device, max_tokens, inner)),
      u_(matrix(device, max_tokens, inner)),
      z_(matrix(device, max_tokens, inner)),
      params_(matrix(device, max_tokens, shape.x_proj_rows())),
      out_(matrix(device, max_tokens, shape.hidden)) {}

View<float> Workspace::matrix(Device& device, int64_t rows, int64_t columns) {
  buffers_.push_back(device.allocate(rows * columns));
  return {buffers_.back()->data(), rows, columns, columns};
}

size_t Workspace::bytes() const {
  size_t bytes = 0;
  for (const auto& buffer : buffers_) bytes += buffer->bytes();
  return bytes;
}

}  // namespace stateline
