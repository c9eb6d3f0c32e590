#include "comm/in_process.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

#include "comm/wire.h"
#include "trace/names.h"

namespace stateline {
namespace {

constexpr int64_t kAlignment = 4096;

}  // namespace

void InProcessGroup::FreeAligned::operator()(std::byte* memory) const { std::free(memory); }

InProcessGroup::InProcessGroup(const InProcessOptions& options)
    : options_(options),
      rendezvous_(options.ranks, options.first, spins_for(options.threads), options.timeout_ms),
      buffer_bytes_((options.message_bytes + 63) / 64 * 64),
      seats_(options.ranks) {
  if (options.ranks < 1 || options.ranks > kMaxRanks) {
    throw Error(
        "E_OPTION",
        "ranks in one process must be 1 to " + std::to_string(kMaxRanks) + ", got " + std::to_string(options.ranks),
        {{"option", "ranks"}, {"value", std::to_string(options.ranks)}});
  }
  const size_t size = (bytes() + kAlignment) / kAlignment * kAlignment;
  wire_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size)));
  if (!wire_) throw std::bad_alloc();
  std::memset(wire_.get(), 0, size);  // so that no step faults
}

void InProcessGroup::reset() {
  rendezvous_.reset();
  seats_.reset();
}

class InProcessCommunicator final : public Communicator {
 public:
  InProcessCommunicator(InProcessGroup& group, int rank, Recorder& recorder)
      : group_(group), seat_(group.seats_[rank]), recorder_(recorder), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_.options_.ranks; }
  int64_t sent() const override { return seat_.sent; }
  void abort(std::exception_ptr reason) override { group_.abort(std::move(reason)); }

  void barrier() override {
    if (size() > 1) group_.rendezvous_.wait(rank_, group_.rendezvous_.arrive(rank_));
  }

  void publish(Op name, int64_t bytes) override {
    if (size() == 1) return;
    begin_ = recorder_.last_mark();
    seq_ = seat_.seq++;
    barrier();
    seat_.sent += bytes;
    record(name, begin_, recorder_.mark(), WireType::f32, Algorithm::one_shot, bytes);
  }

  void start(View<float> partial, Reduction reduction, Op name) override {
    if (size() == 1) return;
    open({Collective::all_reduce, 0, partial.rows, partial.columns, name, reduction.wire}, Message(partial, reduction));
    if (size() > 2 && message_.count() >= group_.options_.two_shot_from) algorithm_ = Algorithm::two_shot;
    contribute(true);
  }

  void finish() override {
    if (size() == 1) return;
    const uint64_t arrived = meet(true);
    const bool quantised = message_.wire() != WireType::f32;
    close(algorithm_ == Algorithm::one_shot ? one_shot(arrived) : two_shot(arrived, quantised));
    if (group_.options_.verify) verify();
  }

  void reduce(View<float> partial, int root, Reduction reduction, Op name) override {
    check_root(root, size());
    if (size() == 1) return;
    open({Collective::reduce, root, partial.rows, partial.columns, name, reduction.wire}, Message(partial, reduction));
    contribute(true);
    const uint64_t arrived = meet(true);
    if (rank_ == root) one_shot(arrived);
    close(rank_ == root ? 0 : message_.bytes_of(message_.whole()));
  }

  void broadcast(View<float> values, int root, Op name) override {
    check_root(root, size());
    if (size() == 1) return;
    open({Collective::broadcast, root, values.rows, values.columns, name, WireType::f32}, Message(values, {}));
    contribute(rank_ == root);
    meet(rank_ == root);
    const std::byte* sent = group_.message(root, parity_);
    if (rank_ != root) decode_sum(message_, message_.whole(), &sent, 1);
    recorder_.mark();
    close(rank_ == root ? message_.bytes_of(message_.whole()) * (size() - 1) : 0);
  }

  void gather(View<const float> part, View<float> all, int root, Op name) override {
    check_root(root, size());
    if (rank_ == root && (all.rows != size() * part.rows || all.columns != part.columns)) {
      throw Error("E_COLLECTIVE_SIZE", std::string(name_of(name)) + " needs room for every rank's part");
    }
    if (size() == 1) {
      for (int64_t row = 0; row < part.rows; ++row) std::copy_n(part.row(row), part.columns, all.row(row));
      return;
    }
    // Only read: encode() takes the same message as decode_sum().
    const View<float> values{const_cast<float*>(part.data), part.rows, part.columns, part.stride};
    open({Collective::gather, root, part.rows, part.columns, name, WireType::f32}, Message(values, {}));
    contribute(true);
    meet(true);
    for (int r = 0; r < size() && rank_ == root; ++r) {
      const std::byte* sent = group_.message(r, parity_);
      const Message out(all.rows_from(r * part.rows, part.rows), {});
      decode_sum(out, out.whole(), &sent, 1);
    }
    recorder_.mark();
    close(rank_ == root ? 0 : message_.bytes_of(message_.whole()));
  }

 private:
  void open(const Label& label, const Message& message) {
    if (message.bytes() > group_.buffer_bytes_) {
      throw Error("E_COLLECTIVE_SIZE", std::string(name_of(label.name)) + " is larger than the group's buffers");
    }
    message_ = message;
    name_ = label.name;
    seq_ = seat_.seq++;
    parity_ = static_cast<int>(seq_ & 1);
    algorithm_ = Algorithm::one_shot;
    begin_ = recorder_.last_mark();
    seat_.label[parity_] = label;
  }

  void contribute(bool values) {
    if (values) encode(message_, message_.whole(), group_.message(rank_, parity_));
    ticket_ = group_.rendezvous_.arrive(rank_);
    encoded_ = recorder_.mark();
  }

  // Waits until all have contributed; when that was. `encoded`: this rank had values to encode.
  uint64_t meet(bool encoded) {
    group_.rendezvous_.wait(rank_, ticket_);
    group_.seats_.check_labels(seq_);
    const uint64_t arrived = recorder_.mark();
    if (encoded && message_.wire() != WireType::f32) record_child(Op::quantise, begin_, encoded_);
    record_child(Op::exchange, encoded_, arrived);
    return arrived;
  }

  void close(int64_t bytes) {
    seat_.sent += bytes;
    record(name_, begin_, recorder_.last_mark(), message_.wire(), algorithm_, bytes);
  }

  // Returns the bytes that this rank sends when every other reads its message.
  int64_t one_shot(uint64_t arrived) {
    std::array<const std::byte*, InProcessGroup::kMaxRanks> wires{};
    for (int r = 0; r < size(); ++r) wires[r] = group_.message(r, parity_);
    decode_sum(message_, message_.whole(), wires.data(), size());
    record_child(Op::reduce, arrived, recorder_.mark());
    return message_.bytes_of(message_.whole()) * (size() - 1);
  }

  // Returns the bytes of the stripes that this rank sends to their owners, and of its own stripe to all others.
  int64_t two_shot(uint64_t arrived, bool quantised) {
    std::array<const std::byte*, InProcessGroup::kMaxRanks> wires{};
    for (int r = 0; r < size(); ++r) wires[r] = group_.message(r, parity_);
    const Stripe own = message_.stripe(rank_, size());
    decode_sum(message_, own, wires.data(), size());
    const uint64_t reduced = recorder_.mark();
    record_child(Op::reduce, arrived, reduced);

    encode(message_, own, group_.sum(parity_));
    const uint32_t ticket = group_.rendezvous_.arrive(rank_);
    const uint64_t encoded = recorder_.mark();
    if (quantised) record_child(Op::quantise, reduced, encoded);
    group_.rendezvous_.wait(rank_, ticket);
    const uint64_t gathered = recorder_.mark();
    record_child(Op::exchange, encoded, gathered);

    const std::byte* sum = group_.sum(parity_);
    decode_sum(message_, message_.whole(), &sum, 1);
    const uint64_t decoded = recorder_.mark();
    if (quantised) record_child(Op::dequantise, gathered, decoded);

    const int64_t own_bytes = message_.bytes_of(own);
    return message_.bytes_of(message_.whole()) - own_bytes + own_bytes * (size() - 1);
  }

  void verify() {
    seat_.hash[parity_] = hash_bits(message_.values());
    barrier();
    group_.seats_.check_hashes(seq_);
    recorder_.mark();  // checking belongs to no op
  }

  void record_child(Op op, uint64_t begin, uint64_t end) { record(op, begin, end, message_.wire(), algorithm_, 0); }

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

  InProcessGroup& group_;
  Seat& seat_;
  Recorder& recorder_;
  int rank_;

  // The reduction that is open.
  Message message_;
  Op name_ = Op::step;
  Algorithm algorithm_ = Algorithm::none;
  int64_t seq_ = 0;
  int parity_ = 0;
  uint32_t ticket_ = 0;
  uint64_t begin_ = 0;
  uint64_t encoded_ = 0;
};

std::unique_ptr<Communicator> InProcessGroup::join(int rank, Recorder& recorder) {
  return std::make_unique<InProcessCommunicator>(*this, rank, recorder);
}

}  // namespace stateline
