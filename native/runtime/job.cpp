#include "runtime/job.h"

#include "runtime/error.h"

namespace stateline {

std::exception_ptr Job::when_cancelled() const {
  return std::make_exception_ptr(Error("E_ABORTED", "the job was cancelled"));
}

}  // namespace stateline
