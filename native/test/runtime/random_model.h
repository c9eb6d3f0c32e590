// A small model with random weights in a file of its own, and the plan that splits it.
#pragma once

#include <string>

#include "runtime/engine_spec.h"

namespace stateline::test {

struct RandomModelOptions {
  ModelShape shape{.hidden = 48, .inner = 96, .states = 8, .taps = 4, .dt_rank = 5, .layers = 3, .vocabulary = 301};
  uint64_t seed = 1;
  DType dtype = DType::f32;
};

// Zamba: two mixer heads, layers 1 and 2 with a shared block of 8 query heads on 4 of keys and an MLP of 40.
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
