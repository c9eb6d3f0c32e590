// A small model with random weights in a file of its own, and the plan that splits it.
#pragma once

#include <functional>
#include <string>

#include "runtime/engine_spec.h"

namespace stateline::test {

struct RandomModelOptions {
  ModelShape shape{.hidden = 48, .inner = 96, .states = 8, .taps = 4, .dt_rank = 5, .layers = 3, .vocabulary = 301};
  uint64_t seed = 1;
  DType dtype = DType::f32;
  // Of hybrid models; kv_heads stands in the shape.
  int64_t query_heads = 8;
  int64_t mlp = 40;
  std::function<bool(int layer)> hybrid = [](int layer) { return layer > 0; };
  // Tensors of one role and shape are one, and its numbers repeat: a model of 7B then takes seconds and 1 GB of file.
  bool repeats = false;
};

// Zamba: two mixer heads, layers 1 and 2 with one shared block of 8 query heads on 4 of keys.
inline RandomModelOptions hybrid_model() {
  RandomModelOptions options;
  options.shape.mixer_heads = 2;
  options.shape.hybrid_layers = 2;
  options.shape.kv_heads = 4;
  options.shape.head_dim = 12;
  options.shape.context = 200;
  return options;
}

class RandomModel {
 public:
  explicit RandomModel(const RandomModelOptions& options = {});
  ~RandomModel();  // removes the file
  RandomModel(const RandomModel&) = delete;

  const std::string& path() const { return path_; }
  // The split of design 4 over `ranks`, which must divide what is split.
  EngineSpec spec(int ranks) const;

 private:
  struct Stored {
    Role role;
    int layer;
    int64_t rows;
    int64_t columns;
    uint64_t offset;
  };

  RankSlice x_proj_slice(const Stored& stored, int rank, int ranks) const;
  RowRun key_rows(int64_t rows, int rank, int ranks) const;

  ModelShape shape_;
  DType dtype_;
  std::string path_;
  std::vector<Stored> stored_;
};

}  // namespace stateline::test
