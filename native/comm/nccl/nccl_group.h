// Ranks whose GPUs NCCL connects, where they cannot read each other's memory. f32, f16 and bf16 are NCCL's own
// AllReduce, which sums in the wire's type. int8 is made of sends: stripes and scales to their owners, a sum in f32
// there, its codes to all, so that every rank decodes the same bytes.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "comm/cuda/gpu_group.h"
#include "comm/nccl/library.h"

namespace stateline {

class NcclGroup final : public GpuGroup {
 public:
  // `gpus`: of each rank, all different. Throws E_OPTION and what Library::open() throws.
  NcclGroup(const InProcessOptions& options, const std::vector<int>& gpus,
            std::shared_ptr<Rendezvous> everyone = nullptr);

  std::unique_ptr<Communicator> join(int rank, Device& device, Recorder& recorder) override;
  // NCCL's communicators are made anew: the old ones may hold half a collective.
  void reset() override {
    GpuGroup::reset();
    ++generation_;
  }
  int64_t bytes() const override { return options_.ranks == 1 ? 0 : options_.ranks * rank_bytes(); }
  std::string link() const override { return "NCCL " + library_->version(); }

 private:
  friend class NcclCommunicator;

  // Own message, the sum, and the others' messages.
  int64_t rank_bytes() const { return (options_.ranks + 2) * message_bytes_; }

  std::shared_ptr<const nccl::Library> library_;
  std::vector<const uint32_t*>
      messages_;  // of each rank, how many in its GPU's memory; written before the first meeting
  std::vector<std::atomic<int64_t>> calls_;  // that NCCL has done for each rank since it connects them
  nccl::UniqueId id_{};                      // of the newest communicators, by rank 0
  int generation_ = 0;                       // of them
};

}  // namespace stateline
