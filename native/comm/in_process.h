// Ranks that are threads of this process: messages go through shared memory that is allocated once.
//
// One-shot: every rank writes its message and sums all of them, in the order of ranks. Two-shot, for large messages of
// more than two ranks: every rank sums one stripe, writes it through the codec again, and all read all stripes. Either
// way all ranks decode the same bytes in the same order, so they end with the same bits.
//
// Wire memory is doubled: a rank may write its next message while others still read the last one, but not the one after
// that, since nobody gets so far before all have started, and thus left, what lies between.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "comm/communicator.h"
#include "comm/message.h"
#include "comm/rendezvous.h"
#include "comm/seats.h"
#include "trace/recorder.h"

namespace stateline {

struct InProcessOptions {
  int ranks = 1;
  int first = 0;                 // of them, among all of the engine
  int64_t message_bytes = 0;     // largest Message::bytes() that will be reduced
  int threads = 1;               // busy threads of all ranks together; more than cores: waits park at once
  int64_t two_shot_from = 8192;  // values, when there are more than two ranks
  bool verify = false;           // compare all ranks' bits after each reduction
  int16_t ordinal = 0;           // of this group, in the trace
  int64_t timeout_ms = 600'000;  // that a rank waits for others
};

class InProcessGroup final : public Group {
 public:
  static constexpr int kMaxRanks = 64;

  explicit InProcessGroup(const InProcessOptions& options);

  std::unique_ptr<Communicator> join(int rank, Recorder& recorder);
  std::unique_ptr<Communicator> join(int rank, Device&, Recorder& recorder) override { return join(rank, recorder); }
  void abort(std::exception_ptr reason) override { rendezvous_.abort(std::move(reason)); }
  void reset() override;
  int64_t bytes() const override { return buffers() * buffer_bytes_; }
  std::string link() const override { return "memory of the host"; }

 private:
  friend class InProcessCommunicator;

  struct FreeAligned {
    void operator()(std::byte* memory) const;
  };
  using Buffer = std::unique_ptr<std::byte[], FreeAligned>;

  // Two messages a rank, then two sums of which every rank writes its stripe (two-shot only).
  int64_t buffers() const { return options_.ranks == 1 ? 0 : 2 * options_.ranks + (options_.ranks > 2 ? 2 : 0); }
  std::byte* message(int rank, int parity) const { return wire_.get() + (2 * rank + parity) * buffer_bytes_; }
  std::byte* sum(int parity) const { return message(options_.ranks, parity); }

  InProcessOptions options_;
  Rendezvous rendezvous_;
  int64_t buffer_bytes_;
  Buffer wire_;
  Seats seats_;
};

}  // namespace stateline
