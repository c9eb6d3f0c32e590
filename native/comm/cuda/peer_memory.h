// Ranks whose GPUs read each other's memory: several on one GPU, or GPUs with peer access. Messages lie in that memory,
// and events order what the ranks' streams write and read. Algorithms as in comm/in_process.h, sums by the kernels'
// codecs, so a split model can be tested on a single GPU.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "comm/in_process.h"
#include "comm/rendezvous.h"
#include "device/cuda/cuda_device.h"

namespace stateline {

class PeerMemoryGroup final : public Group {
 public:
  // `gpus`: of each rank.
  PeerMemoryGroup(const InProcessOptions& options, std::vector<int> gpus);

  std::unique_ptr<Communicator> join(int rank, Device& device, Recorder& recorder) override;
  void abort(std::exception_ptr reason) override { rendezvous_.abort(std::move(reason)); }
  void reset() override;
  int64_t bytes() const override { return options_.ranks == 1 ? 0 : 4 * options_.ranks * message_bytes_; }

 private:
  friend class PeerMemoryCommunicator;

  // What a rank says about its message, so that a mismatch is an error instead of a wrong sum.
  enum class Collective : uint8_t { all_reduce, reduce, broadcast, gather };
  struct Label {
    Collective collective = Collective::all_reduce;
    int root = 0;
    int64_t rows = 0;
    int64_t columns = 0;
    Op name = Op::step;
    WireType wire = WireType::none;
    bool operator==(const Label&) const = default;
  };

  // Written by its rank alone, read by others behind a meeting; indexed by the parity of seq.
  struct alignas(64) Seat {
    std::array<std::byte*, 2> message{};   // in the GPU's memory
    std::array<cudaEvent_t, 2> written{};  // it is
    std::array<cudaEvent_t, 2> summed{};   // this rank's stripe of the sum is
    std::array<Label, 2> label;
    std::array<uint64_t, 2> hash{};
    int64_t seq = 0;
    int64_t sent = 0;
  };

  InProcessOptions options_;
  std::vector<int> gpus_;
  Rendezvous rendezvous_;
  int64_t message_bytes_;
  std::vector<Seat> seats_;
};

}  // namespace stateline
