// A group of ranks, each on a thread of its own, running the same function.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/in_process.h"

namespace stateline::test {

class Ranks {
 public:
  explicit Ranks(InProcessOptions options);

  InProcessGroup& group() { return group_; }
  Recorder& recorder(int rank) { return *recorders_[rank]; }
  Communicator& communicator(int rank) { return *communicators_[rank]; }

  // Runs `body` on every rank; gives the code of what each threw, "" for nothing. A rank that throws aborts the group.
  std::vector<std::string> run(const std::function<void(Communicator&)>& body);

 private:
  InProcessGroup group_;
  std::vector<std::unique_ptr<Recorder>> recorders_;
  std::vector<std::unique_ptr<Communicator>> communicators_;
};

// Whether no rank threw.
bool all_done(const std::vector<std::string>& codes);

}  // namespace stateline::test
