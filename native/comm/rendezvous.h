// Where ranks in one process meet: each counts the points it has reached, and waits until all have reached one.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>

namespace stateline {

class Rendezvous {
 public:
  // `first`: the engine's rank that is 0 here, for messages. `spins`: how often a waiting rank looks, at most, before
  // it parks; 0 when ranks share cores. `timeout_ms`: that a rank waits for others, at most.
  Rendezvous(int ranks, int first, int spins, int64_t timeout_ms);

  int first() const { return first_; }

  // `rank` has reached its next point. What it wrote before is visible to whoever waited for the returned ticket.
  uint32_t arrive(int rank);
  // Returns to `rank` when every rank has reached the point of `ticket`. Throws CollectiveAborted after abort(), and
  // E_COLLECTIVE_TIMEOUT, which names the ranks that did not come.
  void wait(int rank, uint32_t ticket);
  // Throws CollectiveAborted after abort(): for a rank that waits elsewhere.
  void check_aborted(int rank);

  // Releases all who wait or will wait. The first reason stays.
  void abort(std::exception_ptr reason);
  // Forgets an abort. Only while no rank is between arrive and wait.
  void reset();

 private:
  struct alignas(64) Seat {
    std::atomic<uint32_t> reached{0};  // twice the points reached; the lowest bit says aborted
    std::atomic<uint32_t> parked{0};   // ranks asleep on `reached`
    int in_vain = 0;                   // waits in a row for which its own rank spun and then had to sleep
  };

  int patience(Seat& own) const;
  void wait_for(int rank, Seat& other, uint32_t ticket, int64_t& deadline);
  [[noreturn]] void throw_aborted();
  [[noreturn]] void throw_timeout(int rank, uint32_t ticket) const;

  int ranks_;
  int first_;
  int most_spins_;
  int64_t timeout_ms_;
  std::unique_ptr<Seat[]> seats_;
  std::mutex mutex_;
  std::exception_ptr reason_;
};

// Spins for `threads` busy threads on this machine: none when they are more than its cores.
int spins_for(int threads);

}  // namespace stateline
