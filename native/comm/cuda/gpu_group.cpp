#include "comm/cuda/gpu_group.h"

#include <utility>

#include "device/cuda/check.h"
#include "trace/names.h"

namespace stateline {

using cuda::check;

GpuGroup::GpuGroup(const InProcessOptions& options, std::shared_ptr<Rendezvous> everyone)
    : options_(options),
      everyone_(everyone ? std::move(everyone)
                         : std::make_shared<Rendezvous>(options.ranks, options.first, spins_for(options.threads),
                                                        options.timeout_ms)),
      message_bytes_((options.message_bytes + 255) / 256 * 256),
      seats_(options.ranks) {
  if (options.ranks < 1 || options.ranks > cuda::kMaxRanks) {
    throw Error(
        "E_OPTION",
        "ranks on GPUs must be 1 to " + std::to_string(cuda::kMaxRanks) + ", got " + std::to_string(options.ranks),
        {{"option", "ranks"}, {"value", std::to_string(options.ranks)}});
  }
}

void GpuGroup::reset() {
  everyone_->reset();
  seats_.reset();
}

void GpuCommunicator::barrier() {
  if (size() > 1) wait(group_.everyone_->arrive(place_));
}

void GpuCommunicator::meet_in_collective() {
  barrier();
  group_.seats_.check_labels(seq_);
}

void GpuCommunicator::wait(uint32_t ticket) {
  device_.give_way([&] { group_.everyone_->wait(place_, ticket); });
}

void GpuCommunicator::find_missing() {
  std::vector<int> ranks = missing();
  for (int& each : ranks) each += group_.options_.first;
  if (!ranks.empty()) throw CollectiveTimeout(group_.options_.first + rank_, group_.options_.timeout_ms, ranks);
}

void GpuCommunicator::publish(Op name, int64_t bytes) {
  if (size() == 1) return;
  const uint64_t begin = recorder_.mark(Stream::host);
  seq_ = seat_.seq++;
  barrier();
  seat_.sent += bytes;
  record(name, begin, recorder_.mark(Stream::host), WireType::f32, Algorithm::one_shot, bytes);
}

void GpuCommunicator::start(View<float> partial, Reduction reduction, Op name) {
  if (size() == 1) return;
  open({Collective::all_reduce, 0, partial.rows, partial.columns, name, reduction.wire}, Message(partial, reduction));
  begin();
  sent_at_once_ = sum_at_once();
  if (sent_at_once_ < 0) contribute();
}

void GpuCommunicator::finish() {
  if (size() == 1) return;
  close(sent_at_once_ < 0 ? sum(meet()) : sent_at_once_);
  if (group_.options_.verify) verify();
}

void GpuCommunicator::reduce(View<float> partial, int root, Reduction reduction, Op name) {
  check_root(root, size());
  if (size() == 1) return;
  open({Collective::reduce, root, partial.rows, partial.columns, name, reduction.wire}, Message(partial, reduction));
  begin();
  contribute();
  close(sum_on(root, meet()));
}

void GpuCommunicator::broadcast(View<float> values, int root, Op name) {
  check_root(root, size());
  if (size() == 1) return;
  open({Collective::broadcast, root, values.rows, values.columns, name, WireType::f32}, Message(values, {}));
  begin();
  contribute();
  meet();
  close(copy_from(root));
}

void GpuCommunicator::gather(View<const float> part, View<float> all, int root, Op name) {
  check_root(root, size());
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
  begin();
  contribute();
  meet();
  close(collect_on(root, all));
}

void GpuCommunicator::decode(const Message& out, const cuda::WireParts& parts) {
  const Stripe all = out.whole();
  check(decode_sum(cuda::payload_of(out), all.begin, all.end, parts, stream()), "decoding a message");
}

void GpuCommunicator::open(const Label& label, const Message& message) {
  if (message.bytes() > group_.message_bytes_) {
    throw Error("E_COLLECTIVE_SIZE", std::string(name_of(label.name)) + " is larger than the group's buffers");
  }
  message_ = message;
  name_ = label.name;
  seq_ = seat_.seq++;
  seat_.label[parity()] = label;
}

// What the communication stream does from now on comes after all that was computed so far.
void GpuCommunicator::begin() {
  computed_.record(device_.compute());
  computed_.hold(stream());
  begin_ = stamp();
}

void GpuCommunicator::contribute() {
  const Stripe all = message_.whole();
  check(encode(cuda::payload_of(message_), all.begin, all.end, own(), stream(), messages()), "encoding a message");
  contributed();
  encoded_ = stamp();
  ticket_ = group_.everyone_->arrive(place_);
}

// When all messages were there, in the stream's time.
uint64_t GpuCommunicator::meet() {
  wait(ticket_);
  group_.seats_.check_labels(seq_);
  met();
  const uint64_t arrived = stamp();
  if (message_.wire() != WireType::f32) record_part(Op::quantise, begin_, encoded_);
  record_part(Op::exchange, encoded_, arrived);
  return arrived;
}

void GpuCommunicator::close(int64_t bytes) {
  ended_.record(stream());
  ended_.hold(device_.compute());
  seat_.sent += bytes;
  record(name_, begin_, stamp(), message_.wire(), algorithm(), bytes);
  recorder_.mark();
}

void GpuCommunicator::verify() {
  const View<float> values = message_.values();
  std::vector<float> host(values.rows * values.columns);
  device_.download(values, {host.data(), values.rows, values.columns, values.columns});
  seat_.hash[parity()] = hash_bits({host.data(), values.rows, values.columns, values.columns});
  barrier();
  group_.seats_.check_hashes(seq_);
  recorder_.mark();  // checking belongs to no op
}

void GpuCommunicator::record(Op op, uint64_t begin, uint64_t end, WireType wire, Algorithm algorithm,
                             int64_t wire_bytes) {
  if (!recorder_.on()) return;
  recorder_.add(op, Stream::communication, begin, end, [&](Span& span) {
    span.seq = seq_;
    span.group = group_.options_.ordinal;
    span.wire_type = wire;
    span.algorithm = algorithm;
    span.wire_bytes = wire_bytes;
  });
}

}  // namespace stateline
