#include "device/cuda/matrix.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "device/cpu/dispatch.h"
#include "device/cpu/load.h"
#include "device/cpu/rows.h"
#include "device/cuda/check.h"
#include "device/finite.h"

namespace stateline::cuda {
namespace {

constexpr int64_t kAlignment = 16;         // bytes: what a thread reads at once
constexpr int64_t kPieceBytes = 64 << 20;  // converted and copied at once

DType stored_type(ComputeType type) {
  return type == ComputeType::f32 ? DType::f32 : type == ComputeType::f16 ? DType::f16 : DType::bf16;
}

// One row as `type`; `wide` has room for it as f32.
void convert(const TensorSlice& slice, const std::byte* from, DType type, float* wide, std::byte* to) {
  const int64_t columns = slice.columns();
  if (slice.dtype == type) {
    std::memcpy(to, from, columns * cpu::bytes_of(type));
    return;
  }
  const auto& kernels = cpu::kernels();
  auto* floats = type == DType::f32 ? reinterpret_cast<float*>(to) : wide;
  cpu::widen(kernels, slice.dtype, from, floats, columns);
  if (type == DType::f16) kernels.encode_f16(wide, reinterpret_cast<uint16_t*>(to), columns);
  if (type == DType::bf16) kernels.encode_bf16(wide, reinterpret_cast<uint16_t*>(to), columns);
}

const TensorSlice& looked_through(const TensorSlice& weight) {
  cpu::RowWalk walk(weight);
  for (int64_t row = 0; row < weight.rows(); ++row) {
    if (!finite(weight.dtype, walk.next(), weight.columns())) throw NotFinite();
  }
  return weight;
}

// A copy from memory that is not pinned returns once that may be written to again, perhaps before the GPU has it; the
// streams that compute do not wait for the default one.
void arrived() { check(cudaStreamSynchronize(nullptr), "copying weights to the GPU"); }

}  // namespace

DeviceRows::DeviceRows(const TensorSlice& slice, DType type) {
  const int64_t rows = slice.rows(), columns = slice.columns(), each = cpu::bytes_of(type);
  const int64_t row_bytes = (columns * each + kAlignment - 1) / kAlignment * kAlignment;
  memory_ = DeviceMemory(rows * row_bytes, "the weights");
  weights_ = {memory_.data(), type, rows, columns, row_bytes / each};

  const int64_t piece = std::clamp<int64_t>(kPieceBytes / row_bytes, 1, rows);
  std::vector<std::byte> bytes(piece * row_bytes);
  std::vector<float> wide(columns);
  cpu::RowWalk walk(slice);
  for (int64_t first = 0; first < rows; first += piece) {
    const int64_t count = std::min(piece, rows - first);
    for (int64_t i = 0; i < count; ++i) convert(slice, walk.next(), type, wide.data(), bytes.data() + i * row_bytes);
    check(cudaMemcpy(memory_.data() + first * row_bytes, bytes.data(), count * row_bytes, cudaMemcpyHostToDevice),
          "copying weights to the GPU");
  }
  arrived();
}

CudaMatrix::CudaMatrix(const TensorSlice& weight, const TensorSlice* bias, ComputeType type)
    : own_(looked_through(weight), stored_type(type)) {
  if (!bias) return;
  std::vector<float> values(bias->rows());
  cpu::load(cpu::kernels(), *bias, values.data());
  bias_ = DeviceMemory(values.size() * sizeof(float), "the weights");
  check(cudaMemcpy(bias_.data(), values.data(), bias_.bytes(), cudaMemcpyHostToDevice), "copying weights to the GPU");
  arrived();
}

}  // namespace stateline::cuda
