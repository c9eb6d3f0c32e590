// Two shapes of work. Few rows (decode, small batches) are bound by reading the weights: each thread streams its share
// of the panels once, with activations it interleaves for itself. Many rows (prefill) are bound by arithmetic: a block
// of activations that fits the second-level cache is interleaved once for all threads, and each panel then meets every
// tile of it while it is in that cache too.
#include "device/cpu/matmul.h"

#include <algorithm>
#include <array>

namespace stateline::cpu {
namespace {

constexpr int64_t kActivationBytes = 512 << 10;  // at a time: half a usual second-level cache
constexpr int64_t kLeastTiles = 8;               // a block, or long rows would read the weights too often
constexpr int64_t kAhead = 8192;                 // two pages: prefetchers of the hardware stop at a page's end
constexpr int64_t kSerialBytes = 64 << 10;       // of weights: less is done before another thread has woken
constexpr int64_t kLeastShared = 4;              // tiles: fewer do not repay a block
constexpr int64_t kMaxTile = 16;

}  // namespace

int64_t Matmul::row_bytes(const PackedMatrix& matrix, int64_t words) const {
  const int64_t own = words * kernels_.activation_words[static_cast<int>(matrix.type())];
  return (own + matrix.groups(words) * kernels_.activation_header) * 4;
}

int64_t Matmul::block_rows(const PackedMatrix& matrix) const {
  const int64_t fit = kActivationBytes / (row_bytes(matrix, matrix.words()) * tile(matrix));
  return std::max(fit, kLeastTiles) * tile(matrix);
}

void Matmul::reserve(const PackedMatrix& matrix) {
  const int64_t rows = std::max(block_rows(matrix), team_.size() * tile(matrix));
  const auto bytes = static_cast<size_t>(rows * row_bytes(matrix, matrix.words()));
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
    for (int64_t panel = begin; panel < end; ++panel) {
      Product whole = product_of(matrix, panel, out);
      whole.activations = activations;
      whole.rows = in.rows;
      kernels_.product[static_cast<int>(matrix.type())](whole);
    }
  };
  const int64_t panels = matrix.panels();
  if (panels * matrix.panel_bytes(matrix.words()) < kSerialBytes) {
    stream(scratch_.data(), 0, panels);
    return;
  }
  team_.run([&](int part) {
    const int64_t begin = panels * part / team_.size(), end = panels * (part + 1) / team_.size();
    if (begin < end) stream(scratch_.data() + part * tile(matrix) * row_bytes(matrix, matrix.words()), begin, end);
  });
}

void Matmul::many_rows(const PackedMatrix& matrix, View<const float> in, View<float> out) {
  const Tiles tiles{in.rows, (in.rows + tile(matrix) - 1) / tile(matrix)};
  const int64_t bytes = row_bytes(matrix, matrix.words());
  team_.split(tiles.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      interleave(matrix, in, tiles.row(i), tiles.row(i + 1) - tiles.row(i), scratch_.data() + tiles.row(i) * bytes);
    }
  });
  team_.split(matrix.panels() * tiles.count, 1, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t panel = begin / tiles.count, first = begin % tiles.count;
      const int64_t past = std::min(tiles.count, first + end - begin);
      panel_of_tiles(matrix, panel, tiles, first, past, out);
      begin += past - first;
    }
  });
}

void Matmul::panel_of_tiles(const PackedMatrix& matrix, int64_t panel, Tiles tiles, int64_t begin, int64_t end,
                            View<float> out) const {
  const int type = static_cast<int>(matrix.type());
  const int64_t bytes = row_bytes(matrix, matrix.words());
  const bool blocks = end - begin >= kLeastShared;
  const int64_t most = blocks ? kernels_.block_words[type] : matrix.words();
  const auto widen = blocks ? kernels_.widen[type] : nullptr;
  const auto plain = blocks ? kernels_.block_product[type] : kernels_.product[type];
  alignas(64) std::array<std::byte, kBlockBytes> wide;
  Product part = product_of(matrix, panel, out);
  part.wide = wide.data();
  for (int64_t word = 0, words; word < matrix.words(); word += words) {
    words = std::min(most, matrix.words() - word);
    part.words = words;
    part.resume = word > 0;
    part.bias = word + words == matrix.words() ? matrix.bias(panel) : nullptr;
    part.panel = matrix.panel(panel) + matrix.panel_bytes(word);
    // The next block follows this one in memory: each tile asks for its share of it.
    part.ahead = matrix.panel(panel) + matrix.panel_bytes(word + words);
    part.stride = matrix.panel_bytes(words) / ((end - begin) * words) + 1;
    auto product = widen ? widen : plain;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = tiles.row(i);
      part.rows = tiles.row(i + 1) - row;
      part.activations = scratch_.data() + row * bytes + part.rows * row_bytes(matrix, word);
      part.out = out.row(row) + panel * kernels_.panel;
      product(part);
      part.ahead = static_cast<const std::byte*>(part.ahead) + part.words * part.stride;
      if (product == plain) continue;
      product = plain;  // reads what the first tile has widened
      part.panel = wide.data();
      part.words *= kernels_.activation_words[type];
      part.stride = part.stride / kernels_.activation_words[type] + 1;
    }
  }
}

void Matmul::interleave(const PackedMatrix& matrix, View<const float> in, int64_t row, int64_t count,
                        std::byte* to) const {
  std::array<const void*, kMaxTile> rows;
  for (int64_t i = 0; i < count; ++i) rows[i] = in.row(row + i);
  kernels_.interleave_activations[static_cast<int>(matrix.type())](rows.data(), count, matrix.columns(), count, to);
}

Product Matmul::product_of(const PackedMatrix& matrix, int64_t panel, View<float> out) const {
  const int64_t column = panel * kernels_.panel;
  return {
      .activations = nullptr,
      .rows = 0,
      .panel = matrix.panel(panel),
      .bias = matrix.bias(panel),
      .words = matrix.words(),
      .resume = false,
      .columns = std::min(kernels_.panel, matrix.rows() - column),
      .out = out.data + column,
      .out_stride = out.stride,
      .wide = nullptr,
      .ahead = matrix.panel(panel) + kAhead,
      .stride = kernels_.panel * 4,
  };
}

}  // namespace stateline::cpu
