// Weights in a GPU's memory: rows as the compute type has them, each beginning at 16 bytes.
#pragma once

#include "device/cuda/kernels.h"
#include "device/cuda/memory.h"
#include "device/device.h"

namespace stateline::cuda {

// Stored or rounded rows of a checkpoint's tensor on the GPU.
class DeviceRows {
 public:
  DeviceRows(const TensorSlice& slice, DType type);

  const Weights& weights() const { return weights_; }
  size_t bytes() const { return memory_.bytes(); }

 private:
  DeviceMemory memory_;
  Weights weights_;
};

class CudaMatrix final : public Matrix {
 public:
  CudaMatrix(const TensorSlice& weight, const TensorSlice* bias, ComputeType type);

  int64_t rows() const override { return own_.weights().rows; }
  int64_t columns() const override { return own_.weights().columns; }
  size_t bytes() const override { return own_.bytes() + bias_.bytes(); }
  const Weights& weights() const { return own_.weights(); }
  const float* bias() const { return bias_.as<float>(); }

 private:
  DeviceRows own_;
  DeviceMemory bias_;
};

class CudaTable final : public Table {
 public:
  explicit CudaTable(const TensorSlice& slice) : own_(slice, slice.dtype) {}

  size_t row_bytes() const override { return own_.bytes() / own_.weights().rows; }
  size_t bytes() const override { return own_.bytes(); }
  const Weights& weights() const { return own_.weights(); }

 private:
  DeviceRows own_;
};

}  // namespace stateline::cuda
