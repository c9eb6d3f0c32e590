// How long an AllReduce among ranks of this process takes, by size and wire: the ranks are threads as an engine's are.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "comm/in_process.h"

namespace stateline {

struct AllReduceTimerSpec {
  int ranks = 2;
  int threads_per_rank = 1;     // of the engine in question: decides whether waiting ranks spin
  int32_t group = 128;          // values that share a scale on an int8 wire
  std::vector<int64_t> values;  // a message, of each size
  std::vector<WireType> wires;
  int rounds = 5;       // each takes all sizes and wires in turn, so that a slow moment meets all of them
  int64_t most_ms = 0;  // no round begins after this long; 0: all do
};

class AllReduceTimer {
 public:
  // Throws E_OPTION.
  explicit AllReduceTimer(AllReduceTimerSpec spec);

  // Nanoseconds of one AllReduce, [sizes, wires, rounds that were begun: one at least]. Blocks; throws E_ABORTED after
  // cancel().
  std::vector<double> run();
  // Any thread.
  void cancel();

 private:
  // Of one more round, which comes first and counts only where no other does.  times [rounds, sizes, wires]
  void measure(Communicator& communicator, std::vector<double>& times);
  int repeats(int64_t values) const;

  const AllReduceTimerSpec spec_;
  bool over_ = false;  // written by rank 0 before a meeting, read behind it
  std::mutex mutex_;   // of what follows
  std::unique_ptr<InProcessGroup> group_;
  bool cancelled_ = false;
};

}  // namespace stateline
