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
  void few_rows(const PackedMatrix& matrix, View<const float> in, View<float> out);
  void many_rows(const PackedMatrix& matrix, View<const float> in, View<float> out);
  int64_t row_bytes(const PackedMatrix& matrix) const;
  int64_t block_rows(const PackedMatrix& matrix) const;
  int64_t tile(const PackedMatrix& matrix) const { return kernels_.tile[static_cast<int>(matrix.type())]; }
  // Rows [row, row + count) of `in`, interleaved into `to`.
  void interleave(const PackedMatrix& matrix, View<const float> in, int64_t row, int64_t count, std::byte* to) const;
  void product(const PackedMatrix& matrix, const void* activations, int64_t rows, int64_t panel, View<float> out) const;

  const Kernels& kernels_;
  Team& team_;
  Memory scratch_;
};

}  // namespace stateline::cpu
