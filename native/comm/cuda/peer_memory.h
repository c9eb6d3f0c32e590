// Ranks whose GPUs read each other's memory: several on one GPU, or GPUs with peer access. Messages lie in that memory,
// and events order what the ranks' streams write and read. Algorithms as in comm/in_process.h, sums by the kernels'
// codecs, so a split model can be tested on a single GPU.
//
// Where each rank has a GPU of its own, a small AllReduce is one kernel a rank instead (device/cuda/peer.cu): they wait
// for each other by flags in the GPUs' memory, and the host for nobody. Ranks on one GPU cannot do so, as nothing says
// that their kernels run at the same time.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "comm/cuda/gpu_group.h"

namespace stateline {

class PeerMemoryGroup final : public GpuGroup {
 public:
  // `gpus`: of each rank. `at_once`: values of the largest AllReduce that one kernel a rank does; 0: none.
  PeerMemoryGroup(const InProcessOptions& options, std::vector<int> gpus, int64_t at_once,
                  std::shared_ptr<Rendezvous> everyone = nullptr);

  // Whether each of these GPUs reads the others' memory.
  static bool serves(const std::vector<int>& gpus);

  // That serves an engine on these GPUs, all groups of it: 0 where ranks share one.
  static int64_t at_once_values(const std::vector<int>& gpus);

  std::unique_ptr<Communicator> join(int rank, Device& device, Recorder& recorder) override;
  void abort(std::exception_ptr reason) override;
  void reset() override;
  int64_t bytes() const override;
  std::string link() const override { return link_; }

 private:
  friend class PeerMemoryCommunicator;

  // Of one rank, written before the first meeting; indexed by the parity of seq.
  struct Place {
    std::array<std::byte*, 2> message{};   // in the GPU's memory
    std::array<cudaEvent_t, 2> written{};  // it is
    std::array<cudaEvent_t, 2> summed{};   // this rank's stripe of the sum is
    uint32_t* counters = nullptr;          // of sums at once, in the GPU's memory
    std::byte* staging = nullptr;
    std::atomic<uint32_t>* stop = nullptr;  // in the host's: its kernel waits no longer
  };

  int64_t staging_bytes() const;

  std::vector<int> gpus_;
  std::string link_;
  int64_t at_once_;  // values
  std::vector<Place> places_;
  std::mutex stops_;    // of Place::stop while ranks join and leave
  int generation_ = 0;  // of the counters
};

}  // namespace stateline
