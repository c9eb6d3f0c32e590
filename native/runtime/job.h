// Work for all ranks: every rank runs the same job on its own thread, one job at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/rank.h"

namespace stateline {

// Names a job, and says whom its spans belong to.
struct JobTag {
  int64_t job = -1;
  int32_t cell = -1;
  int32_t request = -1;
};

// Tokens for one sequence.
struct JobInput {
  JobTag tag;
  std::vector<int32_t> tokens;
  std::shared_ptr<const SequenceState> state;  // that they go on from; null: an empty one
  int64_t chunk = 0;                           // most tokens a step
};

class Job {
 public:
  // Called once, on whatever thread ends the job; null when it is done. The job's results may be read from then on.
  using Settled = std::function<void(std::exception_ptr error)>;

  Job(JobInput input, Settled settled) : input_(std::move(input)), settled_(std::move(settled)) {}
  virtual ~Job() = default;

  const JobInput& input() const { return input_; }

  // On every rank's thread.
  virtual void run(Rank& rank) = 0;
  // What a job that ends by cancel() is settled with: E_ABORTED, unless the job has a result to give.
  virtual std::exception_ptr when_cancelled() const;

  // Any thread: the job ends after the step it is in.
  void cancel() { cancelled_ = true; }
  bool stopped() const { return stopped_; }
  // It has made way for others in its middle: what it did is not lost when the queue closes.
  virtual bool begun() const { return false; }
  virtual void settle(std::exception_ptr error) { settled_(std::move(error)); }

 protected:
  // Feeds the tokens chunk by chunk; `each(step, hidden, first)` gets every chunk's hidden states and the index of its
  // first token; `observe` what is behind each layer before that. False when the job was cancelled.
  template <class Each>
  bool prefill(Rank& rank, Each each, const LayerObserver* observe = nullptr) {
    rank.begin_sequence(rank.slot_of_jobs(), input_.state.get());
    const std::span<const int32_t> tokens = input_.tokens;
    for (size_t first = 0; first < tokens.size(); first += input_.chunk) {
      const Order order = rank.agree({.stop = cancelled_});
      if (order.stop) {
        if (rank.decides()) stopped_ = true;
        return false;
      }
      const auto ids = tokens.subspan(first, std::min<size_t>(input_.chunk, tokens.size() - first));
      const Segment all{.slot = rank.slot_of_jobs(), .length = static_cast<int32_t>(ids.size())};
      const StepLabel label{all.length, 1, input_.tag.cell, input_.tag.request, Phase::prefill};
      rank.step(
          ids, {&all, 1}, label, order.record,
          [&](Step& step, View<const float> hidden) { each(step, hidden, static_cast<int64_t>(first)); }, observe);
    }
    return true;
  }

  bool cancelled() const { return cancelled_; }

 private:
  JobInput input_;
  Settled settled_;
  std::atomic<bool> cancelled_{false};
  bool stopped_ = false;  // written by the deciding rank
};

// The rows of a block that `rank` works on when all ranks share a block's rows.
struct RowShare {
  int64_t begin;
  int64_t end;
};
inline RowShare share_of(int rank, int ranks, int64_t rows) { return {rows * rank / ranks, rows * (rank + 1) / ranks}; }

}  // namespace stateline
