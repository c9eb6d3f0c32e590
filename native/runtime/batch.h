// Requests side by side: they join and leave between steps, and each step feeds a token of every one that decodes and,
// in what is left of the longest step, the next of the prompts of those that do not yet, so that a long prompt holds
// nobody up (continuous batching: Orca, OSDI 2022; chunked prefills among decodes: arXiv 2308.16369).
//
// To the queue a batch is one job, which ends when nobody waits. Where other jobs wait, it makes way for one of them
// every few steps, its sequences as they are.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/job_queue.h"
#include "runtime/prefix_cache.h"
#include "runtime/rank.h"
#include "runtime/request.h"

namespace stateline {

class Batch final : public Job, public std::enable_shared_from_this<Batch> {
 public:
  // `check` throws when results since its last call cannot be trusted; `told` is called when a step's tokens are.
  Batch(const EngineSpec& spec, JobQueue& queue, std::function<void()> check, std::function<void()> told);

  // --- any thread ---
  // Throws E_CLOSED, and E_QUEUE_FULL when too many wait.
  void submit(std::shared_ptr<Request> request);
  // A request that runs ends after the step it is in, one that waits, or while another job runs, at once.
  void cancel(int64_t job);
  // Waiting requests are settled with E_CLOSED, running ones go on.
  void close();
  CacheStatistics cache_statistics() const;

  // --- the ranks' threads ---
  void run(Rank& rank) override;
  void settle(std::exception_ptr error) override;
  bool begun() const override { return begun_; }

 private:
  static constexpr size_t kMostWaiting = 1 << 16;
  static constexpr uint32_t kTurn = 8;  // steps, while another job waits

  // A request in a slot.
  struct Seat {
    std::shared_ptr<Request> request;
    int slot = 0;
    PrefixCache::Place place = {};  // the last point of its sequence that is kept; none: it keeps none
    int64_t branch = 0;             // where it parts from what is kept
  };

  // What all ranks do in one step. Two take turns: the deciding rank plans the next while others still read the last.
  struct Plan {
    struct Start {
      int slot;
      std::shared_ptr<const SequenceState> state;  // null: empty
    };
    // A part that is null is known already.
    struct Keep {
      int slot;
      std::shared_ptr<SequenceState> state;
      std::shared_ptr<KeysValues> kv;
    };
    std::vector<Keep> keeps;  // first: their slots may start anew in the same step
    std::vector<Start> starts;
    std::vector<Cut> cuts;
    std::vector<Keep> kept_at_cuts;
    std::vector<int32_t> ids;
    std::vector<Segment> segments;
    std::vector<int32_t> rows;  // of the step whose logits are wanted
    int64_t largest = 0;        // so many of each are enough; 0: all are wanted
    StepLabel label;
  };

  // Empties the seats; returns who sat there or was about to be settled.
  std::vector<std::shared_ptr<Request>> drop_all();

  // The deciding rank: plans the next step; false when there is none. Unless it `goes_on`, requests that are over leave
  // in it, and nothing else is done.
  bool plan(Rank& rank, Plan& plan, bool goes_on);
  void leave(Rank& rank);
  void keep_ends(const Rank& rank, Plan& plan);
  std::shared_ptr<SequenceState> keep_end(const Rank& rank, Seat& seat, Plan& plan);
  void admit(Plan& plan);
  void fill(Plan& plan);
  void add(Plan& plan, Seat& seat, int64_t most);
  // Cuts the prompt's next tokens where states are to be kept.
  void cut(Plan& plan, Seat& seat, int64_t begin, int64_t end);
  StepLabel label(const Plan& plan) const;
  int64_t largest(const Rank& rank) const;
  // The deciding rank, when all ranks are through with the step before: requests that left in it are settled.
  void account();

  void step(Rank& rank, const Plan& plan, bool record);
  void sample(Rank& rank, const Plan& plan, Step& step, View<const float> hidden);
  // Tokens of sampled_, from `first` on: by the deciding rank from the largest logits of all ranks; by every rank from
  // whole rows.
  void choose(int64_t largest, Step& step, View<const float> rows, int64_t first);
  void choose(const Rank& rank, Step& step, View<const float> logits, int64_t first);

  const EngineSpec& spec_;
  JobQueue& queue_;
  const std::function<void()> check_;
  const std::function<void()> told_;
  std::array<Plan, 2> plans_;
  std::vector<std::atomic<int64_t>> sent_;  // by rank, so far

  // The deciding rank's.
  std::vector<Seat> seats_;        // who runs, in the order they came
  std::vector<Seat> ending_;       // their slots are free, their states still there
  std::vector<int> free_;          // slots
  std::vector<Request*> sampled_;  // of the step under way: whose logits are wanted; all ranks choose for them
  std::vector<TopLogit> merged_;   // of one of them
  std::vector<std::pair<Request*, int64_t>> planned_, shares_;  // tokens fed in the plan to come; in the step under way
  std::vector<std::shared_ptr<Request>> leaving_, left_;        // in the plan to come; in the step under way
  int64_t accounted_ = 0;                                       // of all ranks' sent bytes

  mutable std::mutex mutex_;  // of what follows; and of seats_ when they change
  PrefixCache cache_;
  std::deque<std::shared_ptr<Request>> waiting_;
  bool scheduled_ = false;  // in the queue, running, or about to be settled
  bool running_ = false;    // or about to be settled
  bool closed_ = false;

  std::atomic<bool> begun_{false};  // between two turns, with requests in their middle
};

}  // namespace stateline
