// Two shapes of work. Few rows (decode, small batches) are bound by reading the weights: each thread streams its share
// of the panels once, with activations it interleaves for itself. Many rows (prefill) are bound by arithmetic: a block
// of activations that fits the second-level cache is interleaved once for all threads, and each panel then meets every
// tile of it while it is in that cache too.
#include "device/cpu/matmul.h"

#include <algorithm>
#include <array>

namespace stateline::cpu {
namespace {

constexpr int64_t kBlockBytes = 512 << 10;  // of activations: half a usual second-level cache
constexpr int64_t kLeastTiles = 8;          // a block, or long rows would read the weights too often
constexpr int64_t kSerialBytes = 64 << 10;  // of weights: less is done before another thread has woken
constexpr int64_t kMaxTile = 16;

}  // namespace

int64_t Matmul::row_bytes(const PackedMatrix& matrix) const {
  const int64_t words = matrix.words() * kernels_.activation_words[static_cast<int>(matrix.type())];
  return (words + matrix.groups() * kernels_.activation_header) * 4;
}

int64_t Matmul::block_rows(const PackedMatrix& matrix) const {
  const int64_t fit = kBlockBytes / (row_bytes(matrix) * tile(matrix));
  return std::max(fit, kLeastTiles) * tile(matrix);
}

void Matmul::reserve(const PackedMatrix& matrix) {
  const int64_t rows = std::max(block_rows(matrix), team_.size() * tile(matrix));
  const auto bytes = static_cast<size_t>(rows * row_bytes(matrix));
  if (bytes > scratch_.bytes()) scratch_ = Memory(bytes);
}

void Matmul::operator()(const PackedMatrix& matrix, View<const float> in, View<float> out) {
  if (out.empty()) return;
  if (in.rows <= tile(matrix)) {
    few_rows(matrix, in, out);
    return;
  }
  const int64_t most = block_rows(matrix);
  const int64_t blocks = (in.rows + most - 1) / most;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t begin = in.rows * i / blocks, count = in.rows * (i + 1) / blocks - begin;
    many_rows(matrix, in.rows_from(begin, count), out.rows_from(begin, count));
  }
}

void Matmul::few_rows(const PackedMatrix& matrix, View<const float> in, View<float> out) {
  const auto stream = [&](std::byte* scratch, int64_t begin, int64_t end) {
    const void* activations = scratch;
    if (in.rows == 1 && matrix.type() == ComputeType::f32) {
      activations = in.data;
    } else {
      interleave(matrix, in, 0, in.rows, scratch);
    }
    for (int64_t panel = begin; panel < end; ++panel) product(matrix, activations, in.rows, panel, out);
  };
  const int64_t panels = matrix.panels();
  if (panels * matrix.panel_bytes() < kSerialBytes) {
    stream(scratch_.data(), 0, panels);
    return;
  }
  team_.run([&](int part) {
    const int64_t begin = panels * part / team_.size(), end = panels * (part + 1) / team_.size();
    if (begin < end) stream(scratch_.data() + part * tile(matrix) * row_bytes(matrix), begin, end);
  });
}

void Matmul::many_rows(const PackedMatrix& matrix, View<const float> in, View<float> out) {
  const int64_t tiles = (in.rows + tile(matrix) - 1) / tile(matrix);
  const int64_t bytes = row_bytes(matrix);
  const auto first_row = [&](int64_t index) { return in.rows * index / tiles; };
  team_.split(tiles, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      interleave(matrix, in, first_row(i), first_row(i + 1) - first_row(i), scratch_.data() + first_row(i) * bytes);
    }
  });
  team_.split(matrix.panels() * tiles, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t row = first_row(unit % tiles), count = first_row(unit % tiles + 1) - row;
      product(matrix, scratch_.data() + row * bytes, count, unit / tiles, out.rows_from(row, count));
    }
  });
}

void Matmul::interleave(const PackedMatrix& matrix, View<const float> in, int64_t row, int64_t count,
                        std::byte* to) const {
  std::array<const void*, kMaxTile> rows;
  for (int64_t i = 0; i < count; ++i) rows[i] = in.row(row + i);
  kernels_.interleave_activations[static_cast<int>(matrix.type())](rows.data(), count, matrix.columns(), count, to);
}

void Matmul::product(const PackedMatrix& matrix, const void* activations, int64_t rows, int64_t panel,
                     View<float> out) const {
  const int64_t column = panel * kernels_.panel;
  kernels_.product[static_cast<int>(matrix.type())]({
      .activations = activations,
      .rows = rows,
      .panel = matrix.panel(panel),
      .bias = matrix.bias(panel),
      .words = matrix.words(),
      .columns = std::min(kernels_.panel, matrix.rows() - column),
      .out = out.data + column,
      .out_stride = out.stride,
  });
}

}  // namespace stateline::cpu
