#include "test/runtime/random_model.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <stdexcept>

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
    stored_.push_back({role, layer, rows, columns, offset});
    for (int64_t i = 0; i < rows * columns; ++i) {
      const float number = value(i);
      uint32_t bits;
      std::memcpy(&bits, &number, sizeof bits);
      if (dtype_ == DType::f32) {
        file.write(reinterpret_cast<const char*>(&bits), 4);
      } else {
        const uint16_t upper = static_cast<uint16_t>(bits >> 16);
        file.write(reinterpret_cast<const char*>(&upper), 2);
      }
    }
    offset += rows * columns * (dtype_ == DType::f32 ? 4 : 2);
  };
  const auto scaled = [&](float scale) {
    return [&normal, &generator, scale](int64_t) { return scale * normal(generator); };
  };
  const auto around_one = [&](int64_t) { return 1 + 0.1f * normal(generator); };

  const int64_t h = shape_.hidden, d = shape_.inner, n = shape_.states, r = shape_.dt_rank;
  const auto fan = [&](int64_t inputs) { return scaled(1 / std::sqrt(static_cast<float>(inputs))); };
  store(Role::embed, -1, shape_.vocabulary, h, scaled(1));
  for (int layer = 0; layer < shape_.layers; ++layer) {
    store(Role::norm, layer, h, 1, around_one);
    store(Role::in_proj_x, layer, d, h, fan(h));
    store(Role::in_proj_z, layer, d, h, fan(h));
    store(Role::conv1d, layer, d, shape_.taps, scaled(0.5f));
    store(Role::conv1d_bias, layer, d, 1, scaled(0.1f));
    store(Role::x_proj, layer, r + 2 * n, d, fan(d));
    store(Role::dt_proj, layer, d, r, fan(r));
    store(Role::dt_proj_bias, layer, d, 1, [&](int64_t) { return -3 + normal(generator); });
    store(Role::a_log, layer, d, n, [n](int64_t i) { return std::log(static_cast<float>(i % n + 1)); });
    store(Role::d, layer, d, 1, around_one);
    store(Role::out_proj, layer, h, d, fan(d));
    store(Role::out_proj_bias, layer, h, 1, scaled(0.1f));
  }
  store(Role::norm_f, -1, h, 1, around_one);
  store(Role::lm_head, -1, shape_.vocabulary, h, fan(h));
  if (!file.flush()) throw std::runtime_error("cannot write " + path_);
}

RandomModel::~RandomModel() { std::filesystem::remove(path_); }

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
          break;
        case Role::x_proj:
        case Role::out_proj:
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
