// Natural-log loss of each token but the first, given the ones before it.
#pragma once

#include <vector>

#include "runtime/job.h"

namespace stateline {

class ScoreJob final : public Job {
 public:
  ScoreJob(JobInput input, Settled settled);
  void run(Rank& rank) override;

  std::span<const float> losses() const { return losses_; }  // [tokens - 1]

 private:
  std::vector<float> losses_;
};

}  // namespace stateline
