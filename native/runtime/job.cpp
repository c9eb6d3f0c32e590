#include "runtime/job.h"

#include "runtime/error.h"

namespace stateline {

std::exception_ptr Job::when_cancelled() const {
  return std::make_exception_ptr(Error("E_ABORTED", "the job was cancelled"));
}

void Job::keep_state(Rank& rank) {
  if (!input_.keep_state) return;
  if (rank.decides() && state_known_) {
    kept_state_ = std::make_shared<SequenceState>(make_sequence_state(rank.spec().shape, rank.position(input_.slot)));
  }
  rank.communicator().barrier();
  if (kept_state_) rank.save(input_.slot, *kept_state_);
}

}  // namespace stateline
