// Logits after every token.
#pragma once

#include <memory>

#include "runtime/job.h"

namespace stateline {

class ForwardJob final : public Job {
 public:
  ForwardJob(JobInput input, int64_t vocabulary, Settled settled);
  void run(Rank& rank) override;

  View<const float> logits() const { return {logits_.get(), rows_, vocabulary_, vocabulary_}; }  // [tokens, vocabulary]

 private:
  int64_t rows_;
  int64_t vocabulary_;
  std::unique_ptr<float[]> logits_;
};

}  // namespace stateline
