#include "runtime/batch.h"

#include <algorithm>
#include <string>
#include <utility>

#include "runtime/error.h"

namespace stateline {

Batch::Batch(const EngineSpec& spec, JobQueue& queue, std::function<void()> check, std::function<void()> told)
    : Job(JobInput{}, nullptr),
      spec_(spec),
      queue_(queue),
      check_(std::move(check)),
      told_(std::move(told)),
      sent_(spec.ranks),
      cache_(spec.shape, spec.cache_bytes, spec.cache_interval) {
  for (int slot = spec.slots; slot-- > 0;) free_.push_back(slot);
  // A step allocates nothing.
  seats_.reserve(spec.slots);
  ending_.reserve(spec.slots);
  sampled_.reserve(spec.slots);
  planned_.reserve(spec.slots);
  shares_.reserve(spec.slots);
  leaving_.reserve(spec.slots);
  left_.reserve(2 * spec.slots);
  for (Plan& plan : plans_) {
    plan.keeps.reserve(spec.slots);
    plan.starts.reserve(spec.slots);
    plan.ids.reserve(spec.max_tokens);
    plan.segments.reserve(spec.slots);
    plan.rows.reserve(spec.slots);
  }
}

void Batch::submit(std::shared_ptr<Request> request) {
  std::lock_guard lock(mutex_);
  if (closed_) throw ClosedError();
  if (waiting_.size() >= kMostWaiting) {
    throw Error("E_QUEUE_FULL", std::to_string(kMostWaiting) + " requests wait already; send more when some have ended",
                {{"waiting", std::to_string(kMostWaiting)}});
  }
  waiting_.push_back(std::move(request));
  if (scheduled_) return;
  queue_.take_turns(shared_from_this());
  scheduled_ = true;
}

void Batch::cancel(int64_t job) {
  std::shared_ptr<Request> waiting;
  {
    std::lock_guard lock(mutex_);
    const auto is_it = [&](const auto& request) { return request->input().tag.job == job; };
    const auto seat = std::ranges::find_if(seats_, is_it, &Seat::request);
    if (seat != seats_.end()) {
      seat->request->cancel();
      if (running_) return;
      waiting = std::move(seat->request);
      if (seat->place) cache_.leave(std::move(seat->place));
      free_.push_back(seat->slot);
      seats_.erase(seat);
    } else {
      const auto found = std::ranges::find_if(waiting_, is_it);
      if (found == waiting_.end()) return;
      waiting = std::move(*found);
      waiting_.erase(found);
    }
  }
  waiting->settle(nullptr);  // its result says that it was cancelled
}

void Batch::close() {
  std::deque<std::shared_ptr<Request>> waiting;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    waiting.swap(waiting_);
  }
  for (const auto& request : waiting) request->settle(std::make_exception_ptr(ClosedError()));
}

CacheStatistics Batch::cache_statistics() const {
  std::lock_guard lock(mutex_);
  return cache_.statistics();
}

void Batch::settle(std::exception_ptr error) {
  std::vector<std::shared_ptr<Request>> failed;
  {
    std::lock_guard lock(mutex_);
    if (error) {
      failed = drop_all();
      cache_.clear();  // some states may be half written
    }
    running_ = false;
    begun_ = !seats_.empty();
    scheduled_ = begun_ || !waiting_.empty();
    if (scheduled_) queue_.take_turns(shared_from_this());
  }
  for (const auto& request : failed) request->settle(error);
}

std::vector<std::shared_ptr<Request>> Batch::drop_all() {
  std::vector<std::shared_ptr<Request>> dropped;
  for (Seat& seat : seats_) {
    free_.push_back(seat.slot);
    dropped.push_back(std::move(seat.request));
  }
  seats_.clear();
  for (Seat& seat : ending_) dropped.push_back(std::move(seat.request));
  ending_.clear();
  for (auto* list : {&leaving_, &left_}) {
    dropped.insert(dropped.end(), list->begin(), list->end());
    list->clear();
  }
  planned_.clear();
  shares_.clear();
  return dropped;
}

void Batch::run(Rank& rank) {
  sent_[rank.index()] = rank.sent();  // other jobs sent, too
  for (uint32_t turn = 0;; ++turn) {
    Plan& next = plans_[turn & 1];
    const bool more = rank.decides() && plan(rank, next, turn < kTurn || !queue_.others_wait());
    const Order order = rank.agree({.stop = !more});
    if (rank.decides()) account();
    if (order.stop) break;
    step(rank, next, order.record);
  }
}

bool Batch::plan(Rank& rank, Plan& plan, bool goes_on) {
  plan.keeps.clear();
  plan.starts.clear();
  plan.cuts.clear();
  plan.kept_at_cuts.clear();
  plan.ids.clear();
  plan.segments.clear();
  plan.rows.clear();
  std::lock_guard lock(mutex_);
  running_ = true;
  leave(rank);
  sampled_.clear();
  if (goes_on) admit(plan);
  keep_ends(rank, plan);  // no request begins with a state in the step that writes it
  if (goes_on) fill(plan);
  plan.label = label(plan);
  plan.largest = largest(rank);
  return !plan.segments.empty() || !plan.keeps.empty() || !leaving_.empty();  // who leaves is settled a turn later
}

void Batch::leave(Rank& rank) {
  for (Seat& seat : seats_) {
    Request& request = *seat.request;
    if (cancelled()) request.cancel();
    const bool full = spec_.shape.head_dim > 0 && rank.position(seat.slot) >= spec_.shape.context;
    if (full && !request.over()) request.end_at_length();
    if (!request.over()) continue;
    free_.push_back(seat.slot);
    ending_.push_back(std::move(seat));
  }
  std::erase_if(seats_, [](const Seat& seat) { return !seat.request; });
}

void Batch::keep_ends(const Rank& rank, Plan& plan) {
  for (Seat& seat : ending_) {
    Request& request = *seat.request;
    auto state = request.state_known() ? keep_end(rank, seat, plan) : nullptr;
    if (seat.place) cache_.leave(std::move(seat.place));
    if (state && request.keeps_state()) {
      request.result().state = std::move(state);
      leaving_.push_back(std::move(seat.request));
    } else {
      left_.push_back(std::move(seat.request));
    }
  }
  ending_.clear();
}

// Null when nobody wants it, or when there is no memory: the request fails alone.
std::shared_ptr<SequenceState> Batch::keep_end(const Rank& rank, Seat& seat, Plan& plan) {
  try {
    const int64_t tokens = rank.position(seat.slot);
    if (seat.place) {
      const auto kept = cache_.keep(seat.place, seat.request->sequence(PrefixCache::tokens(seat.place), tokens));
      if (kept.fresh) plan.keeps.push_back({seat.slot, kept.state, kept.fresh_kv ? kept.state->kv : nullptr});
      if (kept.state) return kept.state;
    }
    if (!seat.request->keeps_state()) return nullptr;
    auto before = beginning_of(seat.request->input().state.get(), tokens);
    auto state = std::make_shared<SequenceState>(
        make_sequence_state(spec_.shape, tokens, make_keys_values(spec_.shape, tokens, std::move(before))));
    plan.keeps.push_back({seat.slot, state, state->kv});
    return state;
  } catch (...) {
    seat.request->fail(std::current_exception());
    return nullptr;
  }
}

void Batch::admit(Plan& plan) {
  while (!free_.empty() && !waiting_.empty()) {
    Seat& seat = seats_.emplace_back();
    seat.request = std::move(waiting_.front());
    waiting_.pop_front();
    seat.slot = free_.back();
    free_.pop_back();
    Request& request = *seat.request;
    request.start();
    auto state = request.input().state;
    if (request.uses_cache() && cache_.on()) {
      auto found = cache_.find(request.input().tokens);
      request.skip(PrefixCache::tokens(found.place));
      seat.place = std::move(found.place);
      seat.branch = found.branch;
      state = std::move(found.state);
    } else if (!state && cache_.on()) {
      cache_.bypass(static_cast<int64_t>(request.input().tokens.size()));
    }
    plan.starts.push_back({seat.slot, std::move(state)});
  }
}

void Batch::fill(Plan& plan) {
  for (const bool prefill : {false, true}) {
    for (Seat& seat : seats_) {
      const int64_t room = spec_.max_tokens - static_cast<int64_t>(plan.ids.size());
      if (room > 0 && seat.request->in_prefill() == prefill) add(plan, seat, room);
    }
  }
}

void Batch::add(Plan& plan, Seat& seat, int64_t most) {
  Request& request = *seat.request;
  const auto ids = request.next(most);
  const auto begin = static_cast<int32_t>(plan.ids.size()), length = static_cast<int32_t>(ids.size());
  plan.ids.insert(plan.ids.end(), ids.begin(), ids.end());
  plan.segments.push_back({.slot = seat.slot, .begin = begin, .length = length});
  if (seat.place && request.in_prefill()) cut(plan, seat, request.fed(), request.fed() + length);
  planned_.emplace_back(&request, length);
  if (!request.feed(length)) return;
  plan.rows.push_back(begin + length - 1);
  sampled_.push_back(&request);
}

void Batch::cut(Plan& plan, Seat& seat, int64_t begin, int64_t end) {
  const std::span<const int32_t> tokens = seat.request->input().tokens;
  const auto last = static_cast<int64_t>(tokens.size()) - 1;  // the same prompt again is fed this one
  const auto next = [&](int64_t at) {
    int64_t next = (at / cache_.interval() + 1) * cache_.interval();
    for (const int64_t wanted : {seat.branch, last}) {
      if (wanted > at) next = std::min(next, wanted);
    }
    return next;
  };
  for (int64_t at = next(begin); at <= std::min(end, last); at = next(at)) {
    const int64_t known = PrefixCache::tokens(seat.place);
    auto kept = cache_.keep(seat.place, tokens.subspan(known, at - known));
    if (!kept.fresh) continue;
    plan.cuts.push_back({.segments = static_cast<int32_t>(plan.segments.size()), .slot = seat.slot});
    plan.kept_at_cuts.push_back({seat.slot, kept.state, kept.fresh_kv ? kept.state->kv : nullptr});
    if (at == end) continue;
    Segment& piece = plan.segments.back();
    Segment rest = piece;
    rest.length = static_cast<int32_t>(end - at);
    piece.length -= rest.length;
    rest.begin += piece.length;
    plan.segments.push_back(rest);
  }
}

StepLabel Batch::label(const Plan& plan) const {
  StepLabel label{.tokens = static_cast<int32_t>(plan.ids.size()),
                  .sequences = static_cast<int32_t>(planned_.size()),
                  .phase = Phase::decode};
  bool first = true;
  for (const auto& [request, tokens] : planned_) {
    const JobTag& tag = request->input().tag;
    if (request->result().tokens.empty()) label.phase = Phase::prefill;
    label.cell = first || label.cell == tag.cell ? tag.cell : -1;
    label.request = first ? tag.request : -1;
    first = false;
  }
  return label;
}

// Of the logits that are sampled from, for the longest list that somebody needs.
int64_t Batch::largest(const Rank& rank) const {
  int64_t most = 0;
  for (const Request* request : sampled_) {
    const int64_t wanted = request->candidates();
    if (wanted == 0 || wanted > rank.most_largest()) return 0;
    most = std::max(most, wanted);
  }
  return most;
}

void Batch::account() {
  int64_t sent = 0, tokens = 0;
  for (const auto& each : sent_) sent += each;
  for (const auto& [request, fed] : shares_) tokens += fed;
  for (const auto& [request, fed] : shares_) request->add_wire_bytes((sent - accounted_) * fed / tokens);
  accounted_ = sent;
  shares_.swap(planned_);
  planned_.clear();
  std::exception_ptr error;
  try {
    if (!left_.empty()) check_();
  } catch (...) {
    error = std::current_exception();
  }
  // Who has left may be gone as soon as it is settled.
  for (auto& request : left_) std::exchange(request, nullptr)->settle(error);
  left_.clear();
  left_.swap(leaving_);
}

void Batch::step(Rank& rank, const Plan& plan, bool record) {
  for (const auto& [slot, state, kv] : plan.keeps) {
    for (int64_t layer = 0; layer < spec_.shape.layers; ++layer) {
      rank.save_conv(slot, layer, *state);
      rank.save_ssm(slot, layer, *state);
    }
    if (kv) rank.save_keys_values(slot, *kv);
  }
  for (const auto& [slot, state] : plan.starts) rank.begin_sequence(slot, state.get());
  if (!plan.segments.empty()) {
    // Two references each, so that std::function allocates nothing.
    const Cuts cuts{.at = plan.cuts,
                    .conv =
                        [&](size_t cut, int64_t layer) {
                          const Plan::Keep& keep = plan.kept_at_cuts[cut];
                          rank.save_conv(keep.slot, layer, *keep.state);
                        },
                    .ssm =
                        [&](size_t cut, int64_t layer) {
                          const Plan::Keep& keep = plan.kept_at_cuts[cut];
                          rank.save_ssm(keep.slot, layer, *keep.state);
                        }};
    rank.step(
        plan.ids, plan.segments, plan.label, record,
        [&](Step& step, View<const float> hidden) { sample(rank, plan, step, hidden); }, nullptr, cuts);
  }
  // Keys and values stay where the step put them.
  for (const auto& [slot, state, kv] : plan.kept_at_cuts) {
    if (kv) rank.save_keys_values(slot, *kv);
  }
  sent_[rank.index()] = rank.sent();
}

void Batch::sample(Rank& rank, const Plan& plan, Step& step, View<const float> hidden) {
  const auto count = static_cast<int64_t>(plan.rows.size());
  if (count == 0) return;
  const auto last = count == hidden.rows ? hidden : step.gather(hidden, plan.rows);
  for (int64_t row = 0; row < count; row += LogitsBlock::kRows) {
    const int64_t rows = std::min(LogitsBlock::kRows, count - row);
    const auto part = last.rows_from(row, rows);
    const auto logits = plan.largest > 0 ? rank.largest_logits(step, part, plan.largest) : rank.logits(step, part);
    if (plan.largest > 0) {
      if (rank.decides()) choose(plan.largest, step, logits, row);
    } else {
      choose(rank, step, logits, row);
    }
  }
  if (plan.largest == 0 && count > 1) rank.communicator().barrier();
  if (!rank.decides()) return;
  for (Request* request : sampled_) request->take();
  told_();
}

void Batch::choose(int64_t largest, Step& step, View<const float> rows, int64_t first) {
  for (int64_t i = 0; i < rows.rows; ++i) {
    const auto own = step.largest(rows.rows_from(i, 1), largest, merged_);
    Request& request = *sampled_[first + i];
    step.sample(
        1, static_cast<int64_t>(own.size_bytes()), [&](int64_t) { return request.served(); },
        [&](int64_t, Candidates& candidates) { request.choose(own, candidates); });
  }
}

// Each rank chooses for some of the requests, rather than wait for the one that decides.
void Batch::choose(const Rank& rank, Step& step, View<const float> logits, int64_t first) {
  RowShare share = share_of(rank.index(), spec_.ranks, logits.rows);
  if (logits.rows == 1) share = {0, rank.decides() ? 1 : 0};  // nobody waits then for another's choice
  if (share.begin == share.end) return;
  step.sample(
      share.end - share.begin, logits.columns * static_cast<int64_t>(sizeof(float)),
      [&](int64_t i) { return sampled_[first + share.begin + i]->served(); },
      [&](int64_t i, Candidates& candidates) {
        const int64_t row = share.begin + i;
        sampled_[first + row]->choose(logits.rows_from(row, 1), candidates);
      });
}

}  // namespace stateline
