// Hidden states of every token behind chosen layers.
#pragma once

#include <memory>
#include <vector>

#include "runtime/job.h"

namespace stateline {

class HiddenJob final : public Job {
 public:
  // `layers`: -1 the embedding, l < L the residual stream behind layer l, L the states after the final norm. Throws
  // E_OPTION for others.
  HiddenJob(JobInput input, std::vector<int32_t> layers, const ModelShape& shape, Settled settled);
  void run(Rank& rank) override;

  std::span<const float> values() const { return {values_.get(), static_cast<size_t>(size_)}; }  // [layers, tokens, h]

 private:
  std::vector<int32_t> layers_;
  int layer_count_;  // L
  int64_t tokens_;
  int64_t hidden_;
  int64_t size_;
  std::unique_ptr<float[]> values_;
};

}  // namespace stateline
