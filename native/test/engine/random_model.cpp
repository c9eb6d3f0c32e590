#include "test/engine/random_model.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <stdexcept>
#include <vector>

namespace stateline::test {
namespace {

std::string temporary_file() {
  std::string path = (std::filesystem::temp_directory_path() / "stateline-model-XXXXXX").string();
  const int descriptor = ::mkstemp(path.data());
  if (descriptor < 0) throw std::runtime_error("cannot make " + path);
  ::close(descriptor);
  return path;
}

}  // namespace

RandomModel::RandomModel(const RandomModelOptions& options)
    : shape_(options.shape), dtype_(options.dtype), path_(temporary_file()) {
  std::ofstream file(path_, std::ios::binary);
  std::mt19937_64 generator(options.seed);
  std::normal_distribution<float> normal;
  uint64_t offset = 0;
  file.put('\0');  // offsets of a safetensors file need not be aligned
  ++offset;
  const auto store = [&](Role role, int layer, int64_t rows, int64_t columns,
                         const std::function<float(int64_t)>& value) {
    const auto alike = std::ranges::find_if(stored_, [&](const Stored& other) {
      return options.repeats && other.role == role && other.rows == rows && other.columns == columns;
    });
    stored_.push_back({role, layer, rows, columns, alike == stored_.end() ? offset : alike->offset});
    if (stored_.back().offset != offset) return;
    const int64_t size = dtype_ == DType::f32 ? 4 : 2;
    std::vector<char> row(columns * size);
    for (int64_t i = 0; i < rows * columns; ++i) {
      const float number = value(i);
      uint32_t bits;
      std::memcpy(&bits, &number, sizeof bits);
      if (dtype_ != DType::f32) bits >>= 16;
      std::memcpy(row.data() + i % columns * size, &bits, size);
      if (i % columns == columns - 1) file.write(row.data(), static_cast<std::streamsize>(row.size()));
    }
    offset += rows * columns * size;
  };
  std::vector<float> drawn;
  size_t draws = 0;
  if (options.repeats) drawn.resize(65521);  // a prime: rows differ
  for (float& number : drawn) number = normal(generator);
  const auto draw = [&] { return drawn.empty() ? normal(generator) : drawn[draws++ % drawn.size()]; };
  const auto scaled = [&](float scale) { return [&draw, scale](int64_t) { return scale * draw(); }; };
  const auto around_one = [&](int64_t) { return 1 + 0.1f * draw(); };

  const int64_t heads = shape_.mixer_heads;
  const int64_t h = shape_.hidden, d = shape_.inner, n = shape_.states, r = shape_.dt_rank;
  const auto fan = [&](int64_t inputs) { return scaled(1 / std::sqrt(static_cast<float>(inputs))); };
  store(Role::embed, -1, shape_.vocabulary, h, scaled(1));
  bool shared = false;  // the block of all hybrid layers is stored
  for (int layer = 0; layer < shape_.layers; ++layer) {
    store(Role::norm, layer, h, 1, around_one);
    store(Role::in_proj_x, layer, d, h, fan(h));
    store(Role::in_proj_z, layer, d, h, fan(h));
    store(Role::conv1d, layer, d, shape_.taps, scaled(0.5f));
    store(Role::conv1d_bias, layer, d, 1, scaled(0.1f));
    store(Role::x_proj, layer, heads * (r + 2 * n), d / heads, fan(d / heads));
    store(Role::dt_proj, layer, d, r, fan(r));
    store(Role::dt_proj_bias, layer, d, 1, [&](int64_t) { return -3 + draw(); });
    store(Role::a_log, layer, d, n, [n](int64_t i) { return std::log(static_cast<float>(i % n + 1)); });
    store(Role::d, layer, d, 1, around_one);
    store(Role::out_proj, layer, h, d, fan(d));
    store(Role::out_proj_bias, layer, h, 1, scaled(0.1f));
    if (shape_.head_dim == 0 || !options.hybrid(layer)) continue;
    store(Role::hybrid_linear, layer, h, h, fan(h));
    if (shared) continue;
    shared = true;
    const int64_t queries = options.query_heads * shape_.head_dim, keys = shape_.kv_heads * shape_.head_dim,
                  inner = options.mlp;
    store(Role::attention_norm, layer, 2 * h, 1, around_one);
    store(Role::q_proj, layer, queries, 2 * h, fan(2 * h));
    store(Role::k_proj, layer, keys, 2 * h, fan(2 * h));
    store(Role::v_proj, layer, keys, 2 * h, fan(2 * h));
    store(Role::o_proj, layer, h, queries, fan(queries));
    store(Role::mlp_norm, layer, h, 1, around_one);
    store(Role::mlp_gate, layer, inner, h, fan(h));
    store(Role::mlp_up, layer, inner, h, fan(h));
    store(Role::mlp_down, layer, h, inner, fan(inner));
  }
  store(Role::norm_f, -1, h, 1, around_one);
  store(Role::lm_head, -1, shape_.vocabulary, h, fan(h));
  if (!file.flush()) throw std::runtime_error("cannot write " + path_);
}

RandomModel::~RandomModel() { std::filesystem::remove(path_); }

// Whole heads; beyond that the ranks of a head split its columns.
RankSlice RandomModel::x_proj_slice(const Stored& stored, int rank, int ranks) const {
  const int64_t heads = shape_.mixer_heads, each = stored.rows / heads;
  const int64_t group = std::max<int64_t>(1, ranks / heads);  // ranks of a head
  const int64_t first = rank * heads / ranks, count = std::max<int64_t>(1, heads / ranks);
  const int64_t width = stored.columns / group, column = rank % group * width;
  return {{{first * each, (first + count) * each, 1}}, column, column + width};
}

// Whole heads; where there are more ranks some hold the same one.
RowRun RandomModel::key_rows(int64_t rows, int rank, int ranks) const {
  const int64_t heads = shape_.kv_heads;
  const int64_t first = rank * heads / ranks, count = std::max<int64_t>(1, heads / ranks);
  return {first * rows / heads, (first + count) * rows / heads, 1};
}

EngineSpec RandomModel::spec(int ranks) const {
  EngineSpec spec;
  spec.files = {path_};
  spec.shape = shape_;
  spec.ranks = ranks;
  spec.max_tokens = 64;
  spec.slots = 2;
  spec.verify_collectives = true;
  for (const Stored& stored : stored_) {
    EngineTensor tensor{stored.role, stored.layer, 0, stored.offset, dtype_, stored.rows, stored.columns, {}};
    for (int rank = 0; rank < ranks; ++rank) {
      const auto share = [&](int64_t count) { return RowRun{count * rank / ranks, count * (rank + 1) / ranks, 1}; };
      RankSlice slice{{{0, stored.rows, 1}}, 0, stored.columns};
      switch (stored.role) {
        case Role::embed:
        case Role::norm:
        case Role::norm_f:
        case Role::out_proj_bias:
        case Role::attention_norm:
        case Role::mlp_norm:
        case Role::hybrid_linear:
          break;
        case Role::x_proj:
          slice = x_proj_slice(stored, rank, ranks);
          break;
        case Role::k_proj:
        case Role::v_proj:
          slice.rows = {key_rows(stored.rows, rank, ranks)};
          break;
        case Role::out_proj:
        case Role::o_proj:
        case Role::mlp_down:
          slice.column_begin = share(stored.columns).begin;
          slice.column_end = share(stored.columns).end;
          break;
        default:
          slice.rows = {share(stored.rows)};
      }
      tensor.ranks.push_back(slice);
    }
    spec.tensors.push_back(tensor);
  }
  return spec;
}

}  // namespace stateline::test
