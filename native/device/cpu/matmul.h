// out = in · Wᵀ + bias over a team of threads.
#pragma once

#include "device/cpu/packed_matrix.h"

namespace stateline::cpu {

class Matmul {
 public:
  Matmul(const Kernels& kernels, Team& team) : kernels_(kernels), team_(team) {}

  // Grows the scratch to what products with `matrix` need; at load time, so that operator() allocates nothing.
  void reserve(const PackedMatrix& matrix);

  void operator()(const PackedMatrix& matrix, View<const float> in, View<float> out);

 private:
  // Rows cut into tiles, even to a row.
  struct Tiles {
    int64_t rows, count;
    int64_t row(int64_t tile) const { return rows * tile / count; }
  };

  void few_rows(const PackedMatrix& matrix, View<const float> in, View<float> out);
  void many_rows(const PackedMatrix& matrix, View<const float> in, View<float> out);
  // Of `words` of an interleaved row.
  int64_t row_bytes(const PackedMatrix& matrix, int64_t words) const;
  int64_t block_rows(const PackedMatrix& matrix) const;
  int64_t tile(const PackedMatrix& matrix) const { return kernels_.tile[static_cast<int>(matrix.type())]; }
  // Rows [row, row + count) of `in`, interleaved into `to`.
  void interleave(const PackedMatrix& matrix, View<const float> in, int64_t row, int64_t count, std::byte* to) const;
  // One panel with tiles [begin, end), which lie in the scratch.
  void panel_of_tiles(const PackedMatrix& matrix, int64_t panel, Tiles tiles, int64_t begin, int64_t end,
                      View<float> out) const;
  // The whole of a panel, but for the activations.
  Product product_of(const PackedMatrix& matrix, int64_t panel, View<float> out) const;

  const Kernels& kernels_;
  Team& team_;
  Memory scratch_;
};

}  // namespace stateline::cpu
