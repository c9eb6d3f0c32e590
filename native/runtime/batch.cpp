#include "runtime/batch.h"

#include <algorithm>
#include <string>
#include <utility>

#include "runtime/error.h"

namespace stateline {
namespace {

std::exception_ptr closed_error() { return std::make_exception_ptr(Error("E_CLOSED", "the model is closed")); }

}  // namespace

Batch::Batch(const EngineSpec& spec, JobQueue& queue, std::function<void()> check)
    : Job(JobInput{}, nullptr), spec_(spec), queue_(queue), check_(std::move(check)), sent_(spec.ranks) {
  for (int slot = spec.slots; slot-- > 0;) free_.push_back(slot);
  // A step allocates nothing.
  seats_.reserve(spec.slots);
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
  if (closed_) std::rethrow_exception(closed_error());
  if (waiting_.size() >= kMostWaiting) {
    throw Error("E_QUEUE_FULL", std::to_string(kMostWaiting) + " requests wait already; send more when some have ended",
                {{"waiting", std::to_string(kMostWaiting)}});
  }
  waiting_.push_back(std::move(request));
  if (scheduled_) return;
  queue_.submit(shared_from_this());
  scheduled_ = true;
}

void Batch::cancel(int64_t job) {
  std::shared_ptr<Request> waiting;
  {
    std::lock_guard lock(mutex_);
    for (const Seat& seat : seats_) {
      if (seat.request->input().tag.job == job) seat.request->cancel();
    }
    const auto found =
        std::ranges::find_if(waiting_, [&](const auto& request) { return request->input().tag.job == job; });
    if (found == waiting_.end()) return;
    waiting = std::move(*found);
    waiting_.erase(found);
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
  for (const auto& request : waiting) request->settle(closed_error());
}

void Batch::settle(std::exception_ptr error) {
  std::vector<std::shared_ptr<Request>> failed;
  {
    std::lock_guard lock(mutex_);
    if (error) failed = drop_all();
    scheduled_ = !waiting_.empty();  // behind the jobs that wait
    if (scheduled_) queue_.submit(shared_from_this());
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
    const bool more = rank.decides() && plan(rank, next);
    const Order order = rank.agree({.stop = !more});
    if (rank.decides()) account();
    if (order.stop) break;
    step(rank, next, order.record);
  }
}

bool Batch::plan(Rank& rank, Plan& plan) {
  plan.keeps.clear();
  plan.starts.clear();
  plan.ids.clear();
  plan.segments.clear();
  plan.rows.clear();
  std::lock_guard lock(mutex_);
  leave(rank, plan);
  admit(plan);
  fill(plan);
  plan.label = label(plan);
  return !plan.segments.empty() || !plan.keeps.empty();
}

void Batch::leave(Rank& rank, Plan& plan) {
  for (Seat& seat : seats_) {
    Request& request = *seat.request;
    if (cancelled()) request.cancel();
    const bool full = spec_.shape.head_dim > 0 && rank.position(seat.slot) >= spec_.shape.context;
    if (full && !request.over()) request.end_at_length();
    if (!request.over()) continue;
    auto state = request.keeps_state() && request.state_known() ? room_for_state(rank, seat) : nullptr;
    free_.push_back(seat.slot);
    if (state) {
      plan.keeps.push_back({seat.slot, state.get()});
      request.result().state = std::move(state);
      leaving_.push_back(std::move(seat.request));
    } else {
      left_.push_back(std::move(seat.request));
    }
  }
  std::erase_if(seats_, [](const Seat& seat) { return !seat.request; });
}

// Null when there is no memory: the request fails alone.
std::shared_ptr<SequenceState> Batch::room_for_state(const Rank& rank, Seat& seat) {
  try {
    return std::make_shared<SequenceState>(make_sequence_state(spec_.shape, rank.position(seat.slot)));
  } catch (...) {
    seat.request->fail(std::current_exception());
    return nullptr;
  }
}

void Batch::admit(Plan& plan) {
  while (!free_.empty() && !waiting_.empty() && !queue_.others_wait()) {
    Seat& seat = seats_.emplace_back();
    seat.request = std::move(waiting_.front());
    waiting_.pop_front();
    seat.slot = free_.back();
    free_.pop_back();
    seat.request->start();
    plan.starts.push_back({seat.slot, seat.request->input().state.get()});
  }
}

void Batch::fill(Plan& plan) {
  sampled_.clear();
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
  planned_.emplace_back(&request, length);
  if (!request.feed(length)) return;
  plan.rows.push_back(begin + length - 1);
  sampled_.push_back(&request);
}

StepLabel Batch::label(const Plan& plan) const {
  StepLabel label{.tokens = static_cast<int32_t>(plan.ids.size()),
                  .sequences = static_cast<int32_t>(plan.segments.size()),
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
  for (const auto& [slot, state] : plan.keeps) rank.save(slot, *state);
  for (const auto& [slot, state] : plan.starts) rank.begin_sequence(slot, state);
  if (!plan.segments.empty()) {
    rank.step(plan.ids, plan.segments, plan.label, record,
              [&](Step& step, View<const float> hidden) { sample(rank, plan, step, hidden); });
  }
  sent_[rank.index()] = rank.sent();
}

void Batch::sample(Rank& rank, const Plan& plan, Step& step, View<const float> hidden) {
  const auto count = static_cast<int64_t>(plan.rows.size());
  if (count == 0) return;
  const auto last = count == hidden.rows ? hidden : step.gather(hidden, plan.rows);
  for (int64_t row = 0; row < count; row += LogitsBlock::kRows) {
    const int64_t rows = std::min(LogitsBlock::kRows, count - row);
    const auto logits = rank.logits(step, last.rows_from(row, rows));
    if (!rank.decides()) continue;
    for (int64_t i = 0; i < rows; ++i) sampled_[row + i]->take(step, logits.rows_from(i, 1));
  }
}

}  // namespace stateline
