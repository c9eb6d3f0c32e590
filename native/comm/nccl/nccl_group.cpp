#include "comm/nccl/nccl_group.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "comm/cuda/arrivals.h"
#include "device/cuda/check.h"
#include "device/cuda/memory.h"
#include "trace/names.h"

namespace stateline {
namespace {

using cuda::check;

nccl::Type type_of(WireType wire) {
  return wire == WireType::f16 ? nccl::Type::f16 : wire == WireType::bf16 ? nccl::Type::bf16 : nccl::Type::f32;
}

}  // namespace

NcclGroup::NcclGroup(const InProcessOptions& options, const std::vector<int>& gpus,
                     std::shared_ptr<Rendezvous> everyone)
    : GpuGroup(options, std::move(everyone)),
      library_(nccl::Library::open()),
      messages_(options.ranks),
      calls_(options.ranks) {
  for (size_t rank = 1; rank < gpus.size(); ++rank) {
    if (std::find(gpus.begin(), gpus.begin() + rank, gpus[rank]) == gpus.begin() + rank) continue;
    throw Error("E_OPTION",
                "gpuLink nccl needs a GPU for each rank, and GPU " + std::to_string(gpus[rank]) +
                    " is named twice; ranks that share one need gpuLink peer",
                {{"option", "gpus"}, {"value", std::to_string(gpus[rank])}});
  }
}

class NcclCommunicator final : public GpuCommunicator {
 public:
  NcclCommunicator(NcclGroup& group, int rank, CudaDevice& device, Recorder& recorder)
      : GpuCommunicator(group, rank, device, recorder),
        group_(group),
        library_(*group.library_),
        memory_(size() > 1 ? group.rank_bytes() : 0, "messages between ranks"),
        messages_(sizeof(uint32_t), "messages between ranks"),
        arrivals_(size()),
        device_(device) {
    check(cudaMemsetAsync(messages_.data(), 0, messages_.bytes(), stream()), "counting messages");
    group.messages_[rank] = messages_.as<uint32_t>();
  }
  ~NcclCommunicator() override {
    nccl::Result state = nccl::kSuccess;
    const bool serves = comm_ && generation_ == group_.generation_ && !cuda::gpu_hangs() &&
                        library_.comm_async_error(comm_, &state) == nccl::kSuccess && state == nccl::kSuccess;
    if (serves) library_.comm_destroy(std::exchange(comm_, nullptr));
    release();
  }

  // Graphs that hold its collectives are gone by now: NCCL would wait for their end.
  void release() override {
    if (comm_ && !cuda::gpu_hangs()) library_.comm_abort(comm_);
    comm_ = nullptr;
  }

 private:
  cuda::WireMemory own() const override { return memory_of(0); }
  uint32_t* messages() const override { return messages_.as<uint32_t>(); }
  // NCCL does not say whom it waits for; who has sent fewer messages than this rank has not come.
  std::vector<int> missing() override {
    const auto counts = size() > 1 ? arrivals_.read(group_.messages_, 1) : std::vector<uint32_t>();
    std::vector<int> ranks;
    for (int r = 0; r < static_cast<int>(counts.size()); ++r) {
      if (static_cast<int32_t>(counts[r] - counts[rank()]) < 0) ranks.push_back(r);
    }
    return ranks;
  }
  Algorithm algorithm() const override { return Algorithm::nccl; }

  // A network's error is told here alone: what it hit never ends.
  void check_ranks() override {
    GpuCommunicator::check_ranks();
    if (comm_) library_.check(state(), "an earlier collective");
  }

  // Connecting waits for all ranks, and all have met: nobody waits for one that failed.
  void met() override {
    if (generation_ != group_.generation_) release();
    if (!comm_) {
      if (rank() == 0) library_.check(library_.get_unique_id(&group_.id_), "ncclGetUniqueId");
      check(cudaMemsetAsync(messages_.data(), 0, messages_.bytes(), stream()), "counting messages");
      group_.calls_[rank()] = 0;
      device_.wait(stream());
      barrier();
      nccl::Config config;
      generation_ = group_.generation_;
      call("ncclCommInitRankConfig", library_.comm_init_rank_config(&comm_, size(), group_.id_, rank(), &config));
      barrier();  // it allocates
    }
    library_.check(state(), "an earlier collective");
  }

  nccl::Result state() const {
    nccl::Result result = nccl::kSuccess;
    library_.check(library_.comm_async_error(comm_, &result), "ncclCommGetAsyncError");
    return result;
  }

  // Returns when NCCL has done what it was called for: it returns at once and goes on in a thread of its own, first to
  // connect ranks, then to put its kernels on the stream, where nothing may come before them.
  void call(const char* name, nccl::Result result) {
    library_.check(result, name);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(group_.options_.timeout_ms);
    for (result = state(); result == nccl::kInProgress; result = state()) {
      GpuCommunicator::check_ranks();
      if (std::chrono::steady_clock::now() > end) give_up(name);
      std::this_thread::yield();
    }
    library_.check(result, name);
    ++group_.calls_[rank()];
  }

  // All ranks have met before the call.
  [[noreturn]] void give_up(const char* name) const {
    std::string missing;
    for (int r = 0; r < size(); ++r) {
      if (group_.calls_[r] > group_.calls_[rank()]) continue;
      missing += (missing.empty() ? "" : ", ") + std::to_string(group_.options_.first + r);
    }
    const std::string own = std::to_string(group_.options_.first + rank()),
                      timeout = std::to_string(group_.options_.timeout_ms);
    throw Error("E_COLLECTIVE_TIMEOUT",
                "rank " + own + " waited " + timeout + " ms for NCCL to do " + name +
                    ", which it has not done for ranks " + missing +
                    ": their network hangs (NCCL_DEBUG=INFO says where); load the model again, with a longer "
                    "collectiveTimeoutMs if it is only slow",
                {{"rank", own}, {"missing", missing}, {"timeoutMs", timeout}, {"call", name}});
  }

  int64_t sum(uint64_t arrived) override {
    if (message().wire() == WireType::int8) return sum_stripes(arrived);
    call("ncclAllReduce",
         library_.all_reduce(at(0), at(0), message().count(), type_of(message().wire()), nccl::kSum, comm_, stream()));
    barrier();
    record_part(Op::exchange, arrived, stamp());
    decode(message(), own());
    return 2 * (size() - 1) * message().bytes_of(message().whole()) / size();  // as a ring sends
  }

  int64_t sum_stripes(uint64_t arrived) {
    const Stripe mine = message().stripe(rank(), size());
    int64_t bytes = 0;
    exchange([&](int other) {
      const Stripe theirs = message().stripe(other, size());
      send(0, theirs, other);
      receive(inbox(other), mine, other);
      bytes += message().bytes_of(theirs) + message().bytes_of(mine);
    });
    const uint64_t exchanged = stamp();
    record_part(Op::exchange, arrived, exchanged);
    check(requantise(cuda::payload_of(message()), mine.begin, mine.end, all(), memory_of(1), stream()),
          "summing messages");
    const uint64_t reduced = stamp();
    record_part(Op::reduce, exchanged, reduced);
    barrier();  // that kernel's first launch may wait for GPUs
    exchange([&](int other) {
      send(1, mine, other);
      receive(1, message().stripe(other, size()), other);
    });
    const uint64_t gathered = stamp();
    record_part(Op::exchange, reduced, gathered);
    decode(message(), memory_of(1));
    record_part(Op::dequantise, gathered, stamp());
    return bytes;
  }

  int64_t sum_on(int root, uint64_t arrived) override {
    const int64_t bytes = send_to(root);
    if (rank() == root) decode(message(), all());
    record_part(Op::reduce, arrived, stamp());
    return bytes;
  }

  int64_t copy_from(int root) override {
    const int64_t bytes = message().bytes();
    call("ncclBroadcast", library_.broadcast(at(0), at(0), bytes, nccl::Type::bytes, root, comm_, stream()));
    barrier();
    if (rank() != root) decode(message(), own());
    return rank() == root ? bytes : 0;
  }

  int64_t collect_on(int root, View<float> all) override {
    const int64_t bytes = send_to(root);
    const int64_t rows = all.rows / size();
    for (int r = 0; r < size() && rank() == root; ++r) {
      decode(Message(all.rows_from(r * rows, rows), {}), memory_of(inbox(r)));
    }
    return bytes;
  }

  // Every message to `root`; the bytes that this rank sends.
  int64_t send_to(int root) {
    const Stripe whole = message().whole();
    exchange([&](int other) {
      if (other == root) send(0, whole, other);
      if (rank() == root) receive(inbox(other), whole, other);
    });
    return rank() == root ? 0 : message().bytes_of(whole);
  }

  // Calls each(other) for all other ranks, as one operation.
  template <class Each>
  void exchange(Each each) {
    library_.check(library_.group_start(), "ncclGroupStart");
    try {
      for (int other = 0; other < size(); ++other) {
        if (other != rank()) each(other);
      }
    } catch (...) {
      library_.group_end();  // else NCCL puts off what this thread calls from now on
      throw;
    }
    call("ncclGroupEnd", library_.group_end());
    barrier();
  }
  void send(int place, Stripe stripe, int to) {
    each_piece(place, stripe, [&](std::byte* piece, int64_t bytes) {
      library_.check(library_.send(piece, bytes, nccl::Type::bytes, to, comm_, stream()), "ncclSend");
    });
  }
  void receive(int place, Stripe stripe, int from) {
    each_piece(place, stripe, [&](std::byte* piece, int64_t bytes) {
      library_.check(library_.receive(piece, bytes, nccl::Type::bytes, from, comm_, stream()), "ncclRecv");
    });
  }
  // A stripe's values, then its scales: rows lie on the wire without gaps.
  template <class Each>
  void each_piece(int place, Stripe stripe, Each each) const {
    int64_t begin = -1, values = 0;
    message().for_each_run(stripe, [&](int64_t row, int64_t column, int64_t count, int64_t) {
      if (begin < 0) begin = row * message().values().columns + column;
      values += count;
    });
    if (values == 0) return;
    const int64_t bytes = message().value_bytes();
    each(at(place) + begin * bytes, values * bytes);
    if (message().wire() != WireType::int8) return;
    each(at(place) + message().scales_offset() + stripe.begin * static_cast<int64_t>(sizeof(float)),
         (stripe.end - stripe.begin) * static_cast<int64_t>(sizeof(float)));
  }

  // Places of messages: the own one, the sum, then the others' by rank; a rank's own place there is its message.
  int inbox(int rank) const { return rank == this->rank() ? 0 : 2 + rank; }
  std::byte* at(int place) const { return memory_.data() + place * group_.message_bytes_; }
  cuda::WireMemory memory_of(int place) const { return cuda::wire_memory(message(), at(place)); }
  cuda::WireParts all() const {
    cuda::WireParts parts;
    for (int r = 0; r < size(); ++r) parts.part[parts.count++] = memory_of(inbox(r));
    return parts;
  }

  NcclGroup& group_;
  const nccl::Library& library_;
  cuda::DeviceMemory memory_;
  cuda::DeviceMemory messages_;  // how many
  cuda::Arrivals arrivals_;
  CudaDevice& device_;
  nccl::Comm comm_ = nullptr;
  int generation_ = 0;  // of comm_
};

std::unique_ptr<Communicator> NcclGroup::join(int rank, Device& device, Recorder& recorder) {
  return std::make_unique<NcclCommunicator>(*this, rank, static_cast<CudaDevice&>(device), recorder);
}

}  // namespace stateline
