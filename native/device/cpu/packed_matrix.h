// Weights of a linear map as the matrix kernels read them: panels of `Kernels::panel` rows, each interleaved by words
// and padded with zero rows, one after another, so that a product streams memory from end to end.
#pragma once

#include "device/cpu/kernels.h"
#include "device/cpu/memory.h"
#include "device/cpu/team.h"
#include "device/device.h"

namespace stateline::cpu {

class PackedMatrix final : public Matrix {
 public:
  // Reads `weight`, and `bias` [rows] if there is one, where they are mapped. Throws E_MEMORY.
  PackedMatrix(const Kernels& kernels, const TensorSlice& weight, const TensorSlice* bias, ComputeType type, Team& team,
               Arena& arena);

  int64_t rows() const override { return rows_; }
  int64_t columns() const override { return columns_; }
  size_t bytes() const override { return panels_.bytes() + bias_.bytes(); }

  ComputeType type() const { return type_; }
  int64_t words() const { return words_; }  // of a row, scales not counted
  int64_t groups(int64_t words) const { return type_ == ComputeType::int8 ? (words * 4 + kGroup - 1) / kGroup : 0; }
  int64_t panels() const { return (rows_ + panel_ - 1) / panel_; }
  const std::byte* panel(int64_t index) const { return panels_.data() + index * panel_bytes(words_); }
  int64_t panel_bytes(int64_t words) const { return (words + groups(words)) * panel_ * 4; }
  // Of the panel's rows; null without a bias.
  const float* bias(int64_t panel) const {
    return bias_.data() ? reinterpret_cast<const float*>(bias_.data()) + panel * panel_ : nullptr;
  }

 private:
  int64_t rows_;
  int64_t columns_;
  ComputeType type_;
  int64_t panel_;
  int64_t words_;
  Memory panels_;
  Memory bias_;
};

}  // namespace stateline::cpu
