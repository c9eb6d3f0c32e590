#include "comm/cuda/peer_memory.h"

#include <algorithm>
#include <string>

#include "device/cuda/check.h"
#include "device/cuda/memory.h"
#include "device/cuda/stream.h"

namespace stateline {
namespace {

using cuda::check;

bool reads(int own, int other) {
  if (own == other) return true;
  int can = 0;
  check(cudaDeviceCanAccessPeer(&can, own, other), "asking whether GPUs reach each other");
  return can != 0;
}

void reach(int own, int other) {
  if (!reads(own, other)) {
    throw Error("E_GPU_PEER",
                "GPU " + std::to_string(own) + " cannot read the memory of GPU " + std::to_string(other) +
                    ": choose GPUs that can (nvidia-smi topo -m shows them), one GPU for all ranks, or gpuLink nccl",
                {{"gpu", std::to_string(own)}, {"other", std::to_string(other)}});
  }
  if (own == other) return;
  const cudaError_t code = cudaDeviceEnablePeerAccess(other, 0);
  if (code == cudaErrorPeerAccessAlreadyEnabled) {
    cudaGetLastError();
  } else {
    check(code, "reaching another GPU's memory");
  }
}

}  // namespace

PeerMemoryGroup::PeerMemoryGroup(const InProcessOptions& options, std::vector<int> gpus)
    : GpuGroup(options), gpus_(std::move(gpus)), places_(options.ranks) {}

bool PeerMemoryGroup::serves(const std::vector<int>& gpus) {
  return std::all_of(gpus.begin(), gpus.end(), [&](int own) {
    return std::all_of(gpus.begin(), gpus.end(), [&](int other) { return reads(own, other); });
  });
}

class PeerMemoryCommunicator final : public GpuCommunicator {
 public:
  PeerMemoryCommunicator(PeerMemoryGroup& group, int rank, CudaDevice& device, Recorder& recorder)
      : GpuCommunicator(group, rank, device, recorder),
        group_(group),
        memory_(size() > 1 ? 4 * group.message_bytes_ : 0, "messages between ranks") {
    for (const int gpu : group.gpus_) reach(device.gpu(), gpu);
    PeerMemoryGroup::Place& place = group.places_[rank];
    for (const int parity : {0, 1}) {
      place.message[parity] = memory_.data() + parity * group.message_bytes_;
      place.written[parity] = written_[parity];
      place.summed[parity] = summed_[parity];
    }
  }

 private:
  using Place = PeerMemoryGroup::Place;

  cuda::WireMemory own() const override { return part(group_.places_[rank()]); }
  Algorithm algorithm() const override { return two_shot_ ? Algorithm::two_shot : Algorithm::one_shot; }
  void contributed() override {
    two_shot_ = is_all_reduce() && size() > 2 && message().count() >= group_.options_.two_shot_from;
    written_[parity()].record(stream());
  }
  void met() override {
    for (const Place& place : group_.places_) {
      check(cudaStreamWaitEvent(stream(), place.written[parity()], 0), "a message");
    }
  }

  int64_t sum(uint64_t arrived) override { return two_shot_ ? two_shot(arrived) : one_shot(arrived); }
  int64_t sum_on(int root, uint64_t arrived) override {
    if (rank() != root) return message().bytes_of(message().whole());
    one_shot(arrived);
    return 0;
  }
  int64_t copy_from(int root) override {
    if (rank() == root) return message().bytes_of(message().whole()) * (size() - 1);
    decode(message(), part(group_.places_[root]));
    return 0;
  }
  int64_t collect_on(int root, View<float> all) override {
    if (rank() != root) return message().bytes_of(message().whole());
    const int64_t rows = all.rows / size();
    for (int r = 0; r < size(); ++r) decode(Message(all.rows_from(r * rows, rows), {}), part(group_.places_[r]));
    return 0;
  }

  cuda::WireMemory part(const Place& place) const { return cuda::wire_memory(message(), place.message[parity()]); }
  // The first rank keeps the sum of all.
  cuda::WireMemory total() const {
    return cuda::wire_memory(message(), group_.places_[0].message[parity()] + 2 * group_.message_bytes_);
  }
  cuda::WireParts all() const {
    cuda::WireParts parts;
    for (const Place& place : group_.places_) parts.part[parts.count++] = part(place);
    return parts;
  }

  int64_t one_shot(uint64_t arrived) {
    decode(message(), all());
    record_part(Op::reduce, arrived, stamp());
    return message().bytes_of(message().whole()) * (size() - 1);
  }

  int64_t two_shot(uint64_t arrived) {
    const Stripe own_stripe = message().stripe(rank(), size());
    check(requantise(cuda::payload_of(message()), own_stripe.begin, own_stripe.end, all(), total(), stream()),
          "summing messages");
    summed_[parity()].record(stream());
    const uint64_t reduced = stamp();
    record_part(Op::reduce, arrived, reduced);
    barrier();
    for (const Place& place : group_.places_) {
      check(cudaStreamWaitEvent(stream(), place.summed[parity()], 0), "a sum");
    }
    const uint64_t gathered = stamp();
    record_part(Op::exchange, reduced, gathered);
    decode(message(), total());
    record_part(Op::dequantise, gathered, stamp());
    const int64_t own_bytes = message().bytes_of(own_stripe);
    return message().bytes_of(message().whole()) - own_bytes + own_bytes * (size() - 1);
  }

  PeerMemoryGroup& group_;
  cuda::DeviceMemory memory_;  // two messages, then two sums
  std::array<cuda::CudaEvent, 2> written_, summed_;
  bool two_shot_ = false;
};

std::unique_ptr<Communicator> PeerMemoryGroup::join(int rank, Device& device, Recorder& recorder) {
  return std::make_unique<PeerMemoryCommunicator>(*this, rank, static_cast<CudaDevice&>(device), recorder);
}

}  // namespace stateline
