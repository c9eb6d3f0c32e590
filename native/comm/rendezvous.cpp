#include "comm/rendezvous.h"

#include <algorithm>
#include <vector>

#include "comm/communicator.h"
#include "comm/cores.h"
#include "comm/park.h"
#include "trace/clock.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace stateline {
namespace {

constexpr uint32_t kAborted = 1;
constexpr uint32_t kPoint = 2;

// Pauses of some 35 ns each.
constexpr int kSpins = 4000;  // longer than ranks on cores of their own are ever apart in a decode step
constexpr int kBriefly = 50;
constexpr int kInsist = 64;     // waits
constexpr int kGiveWay = 8192;  // waits

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Signed distance, so that the count may wrap.
bool has_reached(uint32_t reached, uint32_t ticket) { return static_cast<int32_t>(reached - ticket) >= 0; }

}  // namespace

Rendezvous::Rendezvous(int ranks, int first, int spins, int64_t timeout_ms)
    : ranks_(ranks), first_(first), most_spins_(spins), timeout_ms_(timeout_ms), seats_(new Seat[ranks]) {}

// Sequentially consistent against wait_for(): either the waiter sees the new point, or this sees the waiter.
uint32_t Rendezvous::arrive(int rank) {
  Seat& seat = seats_[rank];
  const uint32_t before = seat.reached.fetch_add(kPoint);
  if (seat.parked.load() > 0) unpark_all(seat.reached);
  return (before & ~kAborted) + kPoint;
}

void Rendezvous::wait(int rank, uint32_t ticket) {
  int64_t deadline = 0;  // read from the clock by the first wait that sleeps
  for (int other = 0; other < ranks_; ++other) wait_for(rank, seats_[other], ticket, deadline);
}

void Rendezvous::wait_for(int rank, Seat& other, uint32_t ticket, int64_t& deadline) {
  Seat& own = seats_[rank];
  const int spins = patience(own);
  for (int spin = 0; spin <= spins; ++spin) {
    const uint32_t reached = other.reached.load(std::memory_order_acquire);
    if (reached & kAborted) throw_aborted();
    if (has_reached(reached, ticket)) {
      if (spin > 0) own.in_vain = 0;
      return;
    }
    pause();
  }
  ++own.in_vain;
  if (deadline == 0) deadline = monotonic_ns() + timeout_ms_ * 1'000'000;
  other.parked.fetch_add(1);
  uint32_t reached = other.reached.load();
  int64_t left = 1;
  while (!has_reached(reached, ticket) && !(reached & kAborted) && (left = deadline - monotonic_ns()) > 0) {
    park(other.reached, reached, left);
    reached = other.reached.load();
  }
  other.parked.fetch_sub(1);
  if (reached & kAborted) throw_aborted();
  if (!has_reached(reached, ticket)) throw_timeout(rank, ticket);
}

// Two ranks may have landed on one core, where spinning only delays the one that is waited for. The system moves one
// away if both stay runnable for some milliseconds, and never if they sleep at once: so insist for a while, and if that
// does not help, the other core is taken; then give way, and try again much later.
int Rendezvous::patience(Seat& own) const {
  if (own.in_vain < kInsist) return most_spins_;
  if (own.in_vain > kInsist + kGiveWay) own.in_vain = 0;
  return std::min(most_spins_, kBriefly);
}

void Rendezvous::check_aborted(int rank) {
  if (seats_[rank].reached.load(std::memory_order_acquire) & kAborted) throw_aborted();
}

void Rendezvous::throw_aborted() {
  std::lock_guard lock(mutex_);
  throw CollectiveAborted(reason_);
}

void Rendezvous::throw_timeout(int rank, uint32_t ticket) const {
  std::vector<int> missing;
  for (int other = 0; other < ranks_; ++other) {
    if (!has_reached(seats_[other].reached.load(), ticket)) missing.push_back(first_ + other);
  }
  throw CollectiveTimeout(first_ + rank, timeout_ms_, missing);
}

void Rendezvous::abort(std::exception_ptr reason) {
  {
    std::lock_guard lock(mutex_);
    if (reason_) return;
    reason_ = std::move(reason);
  }
  for (int rank = 0; rank < ranks_; ++rank) {
    seats_[rank].reached.fetch_or(kAborted);
    unpark_all(seats_[rank].reached);
  }
}

void Rendezvous::reset() {
  std::lock_guard lock(mutex_);
  reason_ = nullptr;
  for (int rank = 0; rank < ranks_; ++rank) seats_[rank].reached.store(0);
}

int spins_for(int threads) { return threads <= usable_cores() ? kSpins : 0; }

}  // namespace stateline
