// Decode steps as CUDA graphs, one for each number of sequences, so that a step costs the host one launch instead of
// some ten a layer. Slots and positions lie in the GPU's memory: sequences may join and leave, a graph stays.
//
// A number of sequences is computed op by op when it first comes, since that makes room and opens libraries, which a
// capture forbids; it is captured when it comes again, and launched from then on.
//
// Ranks that order their collectives by events share one graph: all their streams join the first rank's capture, which
// holds the events as edges, and it launches for all. They then meet on the host twice a step instead of once a
// collective. Ranks whose collectives wait for each other on the GPUs, by flags or in NCCL, have a graph each and meet
// twice, before and behind the launch (comm/cuda/gpu_group.h says why). NCCL is captured since its version 2.9
// (docs.nvidia.com/deeplearning/nccl, "Using NCCL with CUDA Graphs", which asks threads for ThreadLocal captures).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "comm/communicator.h"
#include "device/cuda/cuda_device.h"
#include "device/cuda/graph.h"
#include "runtime/back_end.h"

namespace stateline::cuda {

// What ranks share; outlives them.
class StepGraphs {
 public:
  // `apart_up_to`: up to this key ranks have graphs of their own, and beyond it none; 0: they share them.
  StepGraphs(int ranks, int64_t apart_up_to) : apart_up_to_(apart_up_to), staged_(ranks), filled_(ranks) {}

  // On the rank's thread. `communicator`: of all ranks.
  std::unique_ptr<Repeats> join(CudaDevice& device, Communicator& communicator);
  // After an abort, once no rank is inside: ranks may have come to different ends, so all begin anew.
  void reset() { ++generation_; }

 private:
  friend class RankGraphs;

  int64_t apart_up_to_;
  std::vector<cudaEvent_t> staged_;  // by rank: its inputs are on the GPU; written before the first meeting
  std::vector<cudaEvent_t> filled_;  // its last op of a capture
  cudaEvent_t begun_ = nullptr;      // the first rank's capture
  cudaEvent_t done_ = nullptr;       // its launch
  std::mutex turn_;                  // to put ops into the graph that all fill
  int generation_ = 0;               // of all graphs
};

}  // namespace stateline::cuda
