#include "comm/cuda/peer_memory.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "comm/cuda/payload.h"
#include "device/cuda/check.h"
#include "device/cuda/memory.h"
#include "device/cuda/stream.h"
#include "trace/names.h"
#include "trace/recorder.h"

namespace stateline {
namespace {

using cuda::check;

void reach(int own, int other) {
  if (own == other) return;
  int can = 0;
  check(cudaDeviceCanAccessPeer(&can, own, other), "asking whether GPUs reach each other");
  if (!can) {
    throw Error("E_GPU_PEER",
                "GPU " + std::to_string(own) + " cannot read the memory of GPU " + std::to_string(other) +
                    ": choose GPUs that can (nvidia-smi topo -m shows them), or one GPU for all ranks",
                {{"gpu", std::to_string(own)}, {"other", std::to_string(other)}});
  }
  const cudaError_t code = cudaDeviceEnablePeerAccess(other, 0);
  if (code == cudaErrorPeerAccessAlreadyEnabled) {
    cudaGetLastError();
  } else {
    check(code, "reaching another GPU's memory");
  }
}

}  // namespace

PeerMemoryGroup::PeerMemoryGroup(const InProcessOptions& options, std::vector<int> gpus)
    : options_(options),
      gpus_(std::move(gpus)),
      rendezvous_(options.ranks, spins_for(options.threads)),
      message_bytes_((options.message_bytes + 255) / 256 * 256),
      seats_(options.ranks) {
  if (options.ranks < 1 || options.ranks > cuda::kMaxRanks) {
    throw Error(
        "E_OPTION",
        "ranks on GPUs must be 1 to " + std::to_string(cuda::kMaxRanks) + ", got " + std::to_string(options.ranks),
        {{"option", "ranks"}, {"value", std::to_string(options.ranks)}});
  }
}

void PeerMemoryGroup::reset() {
  rendezvous_.reset();
  int64_t seq = 0;
  for (const Seat& seat : seats_) seq = std::max(seq, seat.seq);
  for (Seat& seat : seats_) seat.seq = seq;
}

class PeerMemoryCommunicator final : public Communicator {
 public:
  PeerMemoryCommunicator(PeerMemoryGroup& group, int rank, CudaDevice& device, Recorder& recorder)
      : group_(group),
        seat_(group.seats_[rank]),
        device_(device),
        recorder_(recorder),
        rank_(rank),
        memory_(size() > 1 ? 4 * group.message_bytes_ : 0, "messages between ranks") {
    for (const int gpu : group.gpus_) reach(device.gpu(), gpu);
    for (const int parity : {0, 1}) {
      seat_.message[parity] = memory_.data() + parity * group.message_bytes_;
      seat_.written[parity] = written_[parity];
      seat_.summed[parity] = summed_[parity];
    }
  }

  int rank() const override { return rank_; }
  int size() const override { return group_.options_.ranks; }
  int64_t sent() const override { return seat_.sent; }
  void abort(std::exception_ptr reason) override { group_.abort(std::move(reason)); }

  void barrier() override {
    if (size() > 1) group_.rendezvous_.wait(rank_, group_.rendezvous_.arrive(rank_));
  }

  void publish(Op name, int64_t bytes) override {
    if (size() == 1) return;
    const uint64_t begin = recorder_.mark(Stream::host);
    seq_ = seat_.seq++;
    barrier();
    seat_.sent += bytes;
    record(name, begin, recorder_.mark(Stream::host), WireType::f32, Algorithm::one_shot, bytes);
  }

  void start(View<float> partial, Reduction reduction, Op name) override {
    if (size() == 1) return;
    open({Collective::all_reduce, 0, partial.rows, partial.columns, name, reduction.wire}, Message(partial, reduction));
    two_shot_ = size() > 2 && message_.count() >= group_.options_.two_shot_from;
    contribute(true);
  }

  void finish() override {
    if (size() == 1) return;
    const uint64_t arrived = meet();
    close(two_shot_ ? two_shot(arrived) : one_shot(arrived));
    if (group_.options_.verify) verify();
  }

  void reduce(View<float> partial, int root, Reduction reduction, Op name) override {
    check_root(root);
    if (size() == 1) return;
    open({Collective::reduce, root, partial.rows, partial.columns, name, reduction.wire}, Message(partial, reduction));
    contribute(true);
    const uint64_t arrived = meet();
    if (rank_ == root) one_shot(arrived);
    close(rank_ == root ? 0 : message_.bytes_of(message_.whole()));
  }

  void broadcast(View<float> values, int root, Op name) override {
    check_root(root);
    if (size() == 1) return;
    open({Collective::broadcast, root, values.rows, values.columns, name, WireType::f32}, Message(values, {}));
    contribute(rank_ == root);
    meet();
    if (rank_ != root) decode(message_, root);
    close(rank_ == root ? message_.bytes_of(message_.whole()) * (size() - 1) : 0);
  }

  void gather(View<const float> part, View<float> all, int root, Op name) override {
    check_root(root);
    if (rank_ == root && (all.rows != size() * part.rows || all.columns != part.columns)) {
      throw Error("E_COLLECTIVE_SIZE", std::string(name_of(name)) + " needs room for every rank's part");
    }
    if (size() == 1) {
      check(cudaMemcpy2DAsync(all.data, all.stride * sizeof(float), part.data, part.stride * sizeof(float),
                              part.columns * sizeof(float), part.rows, cudaMemcpyDeviceToDevice, device_.compute()),
            "copying a part");
      return;
    }
    // Only read: the codec takes the same message both ways.
    const View<float> values{const_cast<float*>(part.data), part.rows, part.columns, part.stride};
    open({Collective::gather, root, part.rows, part.columns, name, WireType::f32}, Message(values, {}));
    contribute(true);
    meet();
    for (int r = 0; r < size() && rank_ == root; ++r) decode(Message(all.rows_from(r * part.rows, part.rows), {}), r);
    close(rank_ == root ? 0 : message_.bytes_of(message_.whole()));
  }

 private:
  using Collective = PeerMemoryGroup::Collective;

  void open(const PeerMemoryGroup::Label& label, const Message& message) {
    if (message.bytes() > group_.message_bytes_) {
      throw Error("E_COLLECTIVE_SIZE", std::string(name_of(label.name)) + " is larger than the group's buffers");
    }
    message_ = message;
    name_ = label.name;
    seq_ = seat_.seq++;
    parity_ = static_cast<int>(seq_ & 1);
    two_shot_ = false;
    seat_.label[parity_] = label;
  }

  void contribute(bool values) {
    computed_.record(device_.compute());
    computed_.hold(stream());
    begin_ = recorder_.stamp(Stream::communication);
    const Stripe all = message_.whole();
    if (values) {
      check(encode(cuda::payload_of(message_), all.begin, all.end, part(seat_), stream()), "encoding a message");
    }
    written_[parity_].record(stream());
    encoded_ = recorder_.stamp(Stream::communication);
    ticket_ = group_.rendezvous_.arrive(rank_);
  }

  // What follows on the stream comes after all messages; when that is.
  uint64_t meet() {
    group_.rendezvous_.wait(rank_, ticket_);
    check_labels();
    for (const auto& seat : group_.seats_) check(cudaStreamWaitEvent(stream(), seat.written[parity_], 0), "a message");
    const uint64_t arrived = recorder_.stamp(Stream::communication);
    if (message_.wire() != WireType::f32) record_child(Op::quantise, begin_, encoded_);
    record_child(Op::exchange, encoded_, arrived);
    return arrived;
  }

  void close(int64_t bytes) {
    ended_.record(stream());
    ended_.hold(device_.compute());
    seat_.sent += bytes;
    record(name_, begin_, recorder_.stamp(Stream::communication), message_.wire(), algorithm(), bytes);
    recorder_.mark();
  }

  void check_root(int root) const {
    if (root >= 0 && root < size()) return;
    throw Error("E_COLLECTIVE_ROOT",
                "root must be a rank from 0 to " + std::to_string(size() - 1) + ", got " + std::to_string(root),
                {{"root", std::to_string(root)}});
  }

  // The message of rank `from`.
  void decode(const Message& out, int from) {
    cuda::WireParts one;
    one.part[one.count++] = part(group_.seats_[from]);
    const Stripe all = out.whole();
    check(decode_sum(cuda::payload_of(out), all.begin, all.end, one, stream()), "decoding a message");
  }

  cudaStream_t stream() const { return device_.communication(); }
  Algorithm algorithm() const { return two_shot_ ? Algorithm::two_shot : Algorithm::one_shot; }
  cuda::WireMemory part(const PeerMemoryGroup::Seat& seat) const {
    return cuda::wire_memory(message_, seat.message[parity_]);
  }
  // The first rank keeps the sum of all.
  cuda::WireMemory sum() const {
    return cuda::wire_memory(message_, group_.seats_[0].message[parity_] + 2 * group_.message_bytes_);
  }
  cuda::WireParts parts() const {
    cuda::WireParts parts;
    for (const auto& seat : group_.seats_) parts.part[parts.count++] = part(seat);
    return parts;
  }

  int64_t one_shot(uint64_t arrived) {
    const Stripe all = message_.whole();
    check(decode_sum(cuda::payload_of(message_), all.begin, all.end, parts(), stream()), "summing messages");
    record_child(Op::reduce, arrived, recorder_.stamp(Stream::communication));
    return message_.bytes_of(all) * (size() - 1);
  }

  int64_t two_shot(uint64_t arrived) {
    const Stripe own = message_.stripe(rank_, size()), all = message_.whole();
    const auto payload = cuda::payload_of(message_);
    check(requantise(payload, own.begin, own.end, parts(), sum(), stream()), "summing messages");
    summed_[parity_].record(stream());
    const uint64_t reduced = recorder_.stamp(Stream::communication);
    record_child(Op::reduce, arrived, reduced);
    group_.rendezvous_.wait(rank_, group_.rendezvous_.arrive(rank_));
    for (const auto& seat : group_.seats_) check(cudaStreamWaitEvent(stream(), seat.summed[parity_], 0), "a sum");
    const uint64_t gathered = recorder_.stamp(Stream::communication);
    record_child(Op::exchange, reduced, gathered);
    cuda::WireParts whole;
    whole.part[whole.count++] = sum();
    check(decode_sum(payload, all.begin, all.end, whole, stream()), "decoding a sum");
    record_child(Op::dequantise, gathered, recorder_.stamp(Stream::communication));
    const int64_t own_bytes = message_.bytes_of(own);
    return message_.bytes_of(all) - own_bytes + own_bytes * (size() - 1);
  }

  // All ranks compare with rank 0, so that all report the same.
  void check_labels() {
    for (int r = 1; r < size(); ++r) {
      if (group_.seats_[r].label[parity_] == group_.seats_[0].label[parity_]) continue;
      throw Error("E_COLLECTIVE_MISMATCH",
                  "ranks 0 and " + std::to_string(r) + " met in different collectives or shapes", details(r));
    }
  }

  void verify() {
    const View<float> values = message_.values();
    std::vector<float> host(values.rows * values.columns);
    device_.download(values, {host.data(), values.rows, values.columns, values.columns});
    seat_.hash[parity_] = hash_bits({host.data(), values.rows, values.columns, values.columns});
    barrier();
    for (int r = 1; r < size(); ++r) {
      if (group_.seats_[r].hash[parity_] == group_.seats_[0].hash[parity_]) continue;
      throw Error("E_RANKS_DIVERGED",
                  "ranks 0 and " + std::to_string(r) + " hold different bits after " + std::string(name_of(name_)) +
                      " number " + std::to_string(seq_),
                  details(r));
    }
    recorder_.mark();  // checking belongs to no op
  }

  std::map<std::string, std::string> details(int other) const {
    return {
        {"collective", std::string(name_of(name_))}, {"seq", std::to_string(seq_)}, {"rank", std::to_string(other)}};
  }

  void record_child(Op op, uint64_t begin, uint64_t end) { record(op, begin, end, message_.wire(), algorithm(), 0); }

  void record(Op op, uint64_t begin, uint64_t end, WireType wire, Algorithm algorithm, int64_t wire_bytes) {
    if (!recorder_.on()) return;
    recorder_.add(op, Stream::communication, begin, end, [&](Span& span) {
      span.seq = seq_;
      span.group = group_.options_.ordinal;
      span.wire_type = wire;
      span.algorithm = algorithm;
      span.wire_bytes = wire_bytes;
    });
  }

  PeerMemoryGroup& group_;
  PeerMemoryGroup::Seat& seat_;
  CudaDevice& device_;
  Recorder& recorder_;
  int rank_;
  cuda::DeviceMemory memory_;  // two messages, then two sums
  std::array<cuda::CudaEvent, 2> written_, summed_;
  cuda::CudaEvent computed_, ended_;

  // The reduction that is open.
  Message message_;
  Op name_ = Op::step;
  bool two_shot_ = false;
  int64_t seq_ = 0;
  int parity_ = 0;
  uint32_t ticket_ = 0;
  uint64_t begin_ = 0;
  uint64_t encoded_ = 0;
};

std::unique_ptr<Communicator> PeerMemoryGroup::join(int rank, Device& device, Recorder& recorder) {
  return std::make_unique<PeerMemoryCommunicator>(*this, rank, static_cast<CudaDevice&>(device), recorder);
}

}  // namespace stateline
