// Ranks whose GPUs read each other's memory: several on one GPU, or GPUs with peer access. Messages lie in that memory,
// and events order what the ranks' streams write and read. Algorithms as in comm/in_process.h, sums by the kernels'
// codecs, so a split model can be tested on a single GPU.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "comm/cuda/gpu_group.h"

namespace stateline {

class PeerMemoryGroup final : public GpuGroup {
 public:
  // `gpus`: of each rank.
  PeerMemoryGroup(const InProcessOptions& options, std::vector<int> gpus);

  // Whether each of these GPUs reads the others' memory.
  static bool serves(const std::vector<int>& gpus);

  std::unique_ptr<Communicator> join(int rank, Device& device, Recorder& recorder) override;
  int64_t bytes() const override { return options_.ranks == 1 ? 0 : 4 * options_.ranks * message_bytes_; }

 private:
  friend class PeerMemoryCommunicator;

  // Of one rank, written before the first meeting; indexed by the parity of seq.
  struct Place {
    std::array<std::byte*, 2> message{};   // in the GPU's memory
    std::array<cudaEvent_t, 2> written{};  // it is
    std::array<cudaEvent_t, 2> summed{};   // this rank's stripe of the sum is
  };

  std::vector<int> gpus_;
  std::vector<Place> places_;
};

}  // namespace stateline
