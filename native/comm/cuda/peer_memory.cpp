#include "comm/cuda/peer_memory.h"

#include <algorithm>
#include <new>
#include <set>
#include <string>

#include "comm/cuda/arrivals.h"
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

// Native atomics tell NVLink, which has them, from most of PCIe, whose root complexes may not.
std::string link_of(const std::vector<int>& gpus) {
  const std::set<int> different(gpus.begin(), gpus.end());
  if (different.size() == 1) return "memory of one GPU";
  for (const int own : different) {
    for (const int other : different) {
      int atomics = 1;
      if (own != other) {
        check(cudaDeviceGetP2PAttribute(&atomics, cudaDevP2PAttrNativeAtomicSupported, own, other),
              "asking how GPUs reach each other");
      }
      if (atomics == 0) return "peer memory of GPUs, without native atomics";
    }
  }
  return "peer memory of GPUs, with native atomics";
}

// A decode step's sums, which are bound by latency; more is left to kernels that fill the GPU.
constexpr int64_t kAtOnceValues = 1 << 18;

}  // namespace

PeerMemoryGroup::PeerMemoryGroup(const InProcessOptions& options, std::vector<int> gpus, int64_t at_once,
                                 std::shared_ptr<Rendezvous> everyone)
    : GpuGroup(options, std::move(everyone)),
      gpus_(std::move(gpus)),
      link_(link_of(gpus_)),
      at_once_(options.ranks > 1 ? at_once : 0),
      places_(options.ranks) {}

int64_t PeerMemoryGroup::at_once_values(const std::vector<int>& gpus) {
  const bool apart = std::set<int>(gpus.begin(), gpus.end()).size() == gpus.size();
  return apart && gpus.size() > 1 ? kAtOnceValues : 0;
}

int64_t PeerMemoryGroup::staging_bytes() const {
  const int64_t values = std::min<int64_t>(at_once_, message_bytes_);           // a value is a byte at least
  return values == 0 ? 0 : cuda::peer_staging(1, values, cuda::Wire::int8, 1);  // with a scale each, the most
}

int64_t PeerMemoryGroup::bytes() const {
  return options_.ranks == 1 ? 0 : options_.ranks * (4 * message_bytes_ + staging_bytes());
}

void PeerMemoryGroup::abort(std::exception_ptr reason) {
  GpuGroup::abort(std::move(reason));
  const std::lock_guard lock(stops_);
  for (const Place& place : places_) {
    if (place.stop) place.stop->store(1);
  }
}

void PeerMemoryGroup::reset() {
  GpuGroup::reset();
  ++generation_;
}

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
        memory_(size() > 1 ? 4 * group.message_bytes_ : 0, "messages between ranks"),
        staging_(group.staging_bytes(), "messages between ranks"),
        counters_(group.at_once_ ? cuda::peer_counters() * sizeof(uint32_t) : 0, "messages between ranks"),
        arrivals_(group.at_once_ ? cuda::peer_counters() : 0),
        device_(device),
        stop_(group.at_once_ ? sizeof(std::atomic<uint32_t>) : 0) {
    for (const int gpu : group.gpus_) reach(device.gpu(), gpu);
    PeerMemoryGroup::Place& place = group.places_[rank];
    for (const int parity : {0, 1}) {
      place.message[parity] = memory_.data() + parity * group.message_bytes_;
      place.written[parity] = written_[parity];
      place.summed[parity] = summed_[parity];
    }
    if (group_.at_once_ == 0) return;
    place.counters = counters_.as<uint32_t>();
    place.staging = staging_.data();
    const std::lock_guard lock(group_.stops_);
    place.stop = new (stop_.data()) std::atomic<uint32_t>(0);
  }
  ~PeerMemoryCommunicator() override {
    const std::lock_guard lock(group_.stops_);
    group_.places_[rank()].stop = nullptr;
  }

 private:
  using Place = PeerMemoryGroup::Place;

  cuda::WireMemory own() const override { return part(group_.places_[rank()]); }
  Algorithm algorithm() const override { return two_shot_ ? Algorithm::two_shot : Algorithm::one_shot; }

  int64_t sum_at_once() override {
    if (message().count() > group_.at_once_) return -1;
    renew_counters();
    choose_algorithm();
    cuda::PeerGroup peers;
    peers.rank = rank();
    peers.ranks = size();
    for (int r = 0; r < size(); ++r) {
      peers.counters[r] = group_.places_[r].counters;
      peers.staging[r] = group_.places_[r].staging;
    }
    peers.staging_bytes = group_.staging_bytes();
    peers.stop = reinterpret_cast<const volatile uint32_t*>(stop_.data());
    const auto sum = two_shot_ ? cuda::two_shot : cuda::one_shot;
    meet_in_collective();  // who has not come may still allocate, which may wait for this GPU
    check(sum(peers, cuda::payload_of(message()), stream()), "summing messages");
    barrier();
    return bytes_sent();
  }

  // Before the first sum, and after an abort, which may leave ranks in different ones. No rank's kernel may still count
  // when the first begins anew.
  void renew_counters() {
    if (generation_ == group_.generation_) return;
    device_.wait(stream());
    barrier();
    check(cudaMemsetAsync(counters_.data(), 0, counters_.bytes(), stream()), "counting messages");
    device_.wait(stream());
    stop().store(0);
    generation_ = group_.generation_;
    barrier();
  }

  std::vector<int> missing() override {
    if (group_.at_once_ == 0) return {};
    const auto counters = arrivals_.read({counters_.as<uint32_t>()}, cuda::peer_counters());
    return counters.empty() ? std::vector<int>() : cuda::peers_missing(counters.data(), rank(), size());
  }

  std::atomic<uint32_t>& stop() const { return *group_.places_[rank()].stop; }

  void choose_algorithm() {
    two_shot_ = is_all_reduce() && size() > 2 && message().count() >= group_.options_.two_shot_from;
  }
  int64_t bytes_sent() const {
    const int64_t whole = message().bytes_of(message().whole());
    if (!two_shot_) return whole * (size() - 1);
    const int64_t own = message().bytes_of(message().stripe(rank(), size()));
    return whole - own + own * (size() - 1);
  }

  void contributed() override {
    choose_algorithm();
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
    return bytes_sent();
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
    return bytes_sent();
  }

  PeerMemoryGroup& group_;
  cuda::DeviceMemory memory_;   // two messages, then two sums
  cuda::DeviceMemory staging_;  // of sums at once
  cuda::DeviceMemory counters_;
  cuda::Arrivals arrivals_;
  CudaDevice& device_;
  cuda::PinnedMemory stop_;
  int generation_ = -1;  // of the counters
  std::array<cuda::CudaEvent, 2> written_, summed_;
  bool two_shot_ = false;
};

std::unique_ptr<Communicator> PeerMemoryGroup::join(int rank, Device& device, Recorder& recorder) {
  return std::make_unique<PeerMemoryCommunicator>(*this, rank, static_cast<CudaDevice&>(device), recorder);
}

}  // namespace stateline
