// What groups of ranks on GPUs have in common. Ranks are threads of this process, and meet on the host before anything
// that needs another rank is put on a stream: a rank that fails releases the others there, and no stream waits for a
// message that will never come.
#pragma once

#include "comm/communicator.h"
#include "comm/cuda/payload.h"
#include "comm/in_process.h"
#include "comm/rendezvous.h"
#include "comm/seats.h"
#include "device/cuda/cuda_device.h"

namespace stateline {

class GpuGroup : public Group {
 public:
  // `everyone`: where all ranks of the engine meet, in whatever group they are, so that all must come to as many
  // meetings in each group that has some of them; null: this group has them all.
  GpuGroup(const InProcessOptions& options, std::shared_ptr<Rendezvous> everyone);

  void abort(std::exception_ptr reason) override { everyone_->abort(std::move(reason)); }
  void reset() override;

 protected:
  friend class GpuCommunicator;

  int place(int rank) const { return options_.first - everyone_->first() + rank; }  // among everyone

  InProcessOptions options_;
  std::shared_ptr<Rendezvous> everyone_;
  int64_t message_bytes_;  // room for a message
  Seats seats_;
};

// A back end says how messages travel, on the communication stream.
//
// What waits on a GPU for other ranks stands between two meetings on the host, without any call that may wait for a GPU
// (an allocation, a kernel's first launch): that call could keep another rank from putting its part there, and all
// would wait for ever (github.com/NVIDIA/nccl/issues/613 has such a case). A rank of another group could make that call
// as well: so all ranks of the engine meet.
class GpuCommunicator : public Communicator, private WaitsForRanks {
 public:
  GpuCommunicator(GpuGroup& group, int rank, CudaDevice& device, Recorder& recorder)
      : group_(group),
        seat_(group.seats_[rank]),
        device_(device),
        recorder_(recorder),
        rank_(rank),
        place_(group.place(rank)) {
    device.add(*this);
  }
  ~GpuCommunicator() override { device_.remove(*this); }

  int rank() const override { return rank_; }
  int size() const override { return group_.options_.ranks; }
  int64_t sent() const override { return seat_.sent; }
  void abort(std::exception_ptr reason) override { group_.abort(std::move(reason)); }
  void barrier() override;
  void publish(Op name, int64_t bytes) override;
  void start(View<float> partial, Reduction reduction, Op name) override;
  void finish() override;
  void reduce(View<float> partial, int root, Reduction reduction, Op name) override;
  void broadcast(View<float> values, int root, Op name) override;
  void gather(View<const float> part, View<float> all, int root, Op name) override;

 protected:
  // Where this rank's message goes, as the codec writes it.
  virtual cuda::WireMemory own() const = 0;
  virtual Algorithm algorithm() const = 0;
  // Puts all of an AllReduce on the stream, if the ranks order it there by themselves, and meets them. Bytes sent; -1:
  // they do not.
  virtual int64_t sum_at_once() { return -1; }
  // Ranks of this group that the stream waits for, as far as the GPUs tell.
  virtual std::vector<int> missing() { return {}; }
  // Counts this rank's messages in its GPU's memory; null: nobody asks.
  virtual uint32_t* messages() const { return nullptr; }
  // Behind the message, before the ranks meet.
  virtual void contributed() {}
  // All have met: what follows on the stream reads the others' messages.
  virtual void met() {}
  // What remains of each collective; the bytes that this rank sends. `arrived`: when the messages were there.
  virtual int64_t sum(uint64_t arrived) = 0;
  virtual int64_t sum_on(int root, uint64_t arrived) = 0;
  virtual int64_t copy_from(int root) = 0;
  virtual int64_t collect_on(int root, View<float> all) = 0;

  cudaStream_t stream() const { return device_.communication(); }
  const Message& message() const { return message_; }
  bool is_all_reduce() const { return seat_.label[parity()].collective == Collective::all_reduce; }
  int parity() const { return static_cast<int>(seq_ & 1); }
  uint64_t stamp() { return recorder_.stamp(Stream::communication); }
  void record_part(Op op, uint64_t begin, uint64_t end) { record(op, begin, end, message_.wire(), algorithm(), 0); }
  // Before what waits on the GPU: all have come, and to the same collective.
  void meet_in_collective();
  void check_ranks() override { group_.everyone_->check_aborted(place_); }
  // values of `out` = Σ of the parts' groups, in their order.
  void decode(const Message& out, const cuda::WireParts& parts);
  void decode(const Message& out, cuda::WireMemory part) { decode(out, cuda::WireParts{{part}, 1}); }

 private:
  void wait(uint32_t ticket);
  void open(const Label& label, const Message& message);
  void begin();
  void contribute();
  void find_missing() override;
  uint64_t meet();
  void close(int64_t bytes);
  void verify();
  void record(Op op, uint64_t begin, uint64_t end, WireType wire, Algorithm algorithm, int64_t wire_bytes);

  GpuGroup& group_;
  Seat& seat_;
  CudaDevice& device_;
  Recorder& recorder_;
  int rank_;
  int place_;  // among everyone
  cuda::CudaEvent computed_, ended_;

  // The collective that is open.
  Message message_;
  Op name_ = Op::step;
  int64_t seq_ = 0;
  int64_t sent_at_once_ = -1;  // what sum_at_once() said
  uint32_t ticket_ = 0;
  uint64_t begin_ = 0;
  uint64_t encoded_ = 0;
};

}  // namespace stateline
