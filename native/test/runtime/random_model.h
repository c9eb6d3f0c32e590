// A small Mamba with random weights in a file of its own, and the plan that splits it.
#pragma once

#include <string>

#include "runtime/engine_spec.h"

namespace stateline::test {

struct RandomModelOptions {
  ModelShape shape{.hidden = 48, .inner = 96, .states = 8, .taps = 4, .dt_rank = 5, .layers = 3, .vocabulary = 301};
  uint64_t seed = 1;
  DType dtype = DType::f32;
};

class RandomModel {
 public:
  explicit RandomModel(const RandomModelOptions& options = {});
  ~RandomModel();  // removes the file
  RandomModel(const RandomModel&) = delete;

  const std::string& path() const { return path_; }
  // The split of design 4 over `ranks`, which must divide the inner channels.
  EngineSpec spec(int ranks) const;

 private:
  struct Stored {
    Role role;
    int layer;
    int64_t rows;
    int64_t columns;
    uint64_t offset;
  };

  ModelShape shape_;
  DType dtype_;
  std::string path_;
  std::vector<Stored> stored_;
};

}  // namespace stateline::test
