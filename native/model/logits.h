// Logits of a few tokens at a time, whole rows, in memory that all ranks of the process see: each writes the columns of
// its part of the vocabulary. Two blocks take turns, so that one may still be read while the next is written.
#pragma once

#include <memory>
#include <vector>

#include "device/tensor.h"

namespace stateline {

class LogitsBlock {
 public:
  static constexpr int64_t kRows = 32;

  LogitsBlock(int64_t vocabulary, int ranks);

  // The block whose turn it is for `rank`; all ranks ask equally often.  [rows, vocabulary]
  View<float> next(int rank, int64_t rows);
  // Starts the turns of `rank` again: at a job's begin, when no rank is inside another.
  void restart(int rank) { turns_[rank].blocks = 0; }

  size_t bytes() const { return 2 * kRows * stride_ * sizeof(float); }

 private:
  struct Free {
    void operator()(float* memory) const;
  };
  struct alignas(64) Turn {
    uint32_t blocks = 0;
  };

  int64_t vocabulary_;
  int64_t stride_;
  std::unique_ptr<float[], Free> memory_;  // pages appear when first written: most jobs need a row at a time
  std::vector<Turn> turns_;
};

}  // namespace stateline
