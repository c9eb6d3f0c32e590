// Collectives among the ranks of one group. One object a rank; all ranks call the same collectives in the same order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include "device/tensor.h"
#include "runtime/error.h"
#include "trace/span.h"

namespace stateline {

struct Reduction {
  WireType wire = WireType::f32;
  int32_t group = 128;  // values that share one scale on an int8 wire
};

// What a rank gets that waited, or would have waited, for one that failed. `reason` is that rank's own exception.
struct CollectiveAborted : Error {
  explicit CollectiveAborted(std::exception_ptr reason)
      : Error("E_COLLECTIVE_ABORTED", "a collective ended early because another rank failed"),
        reason(std::move(reason)) {}
  std::exception_ptr reason;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Sum over ranks, in two halves so that a rank can compute in between: `start` contributes `partial`,
  // `finish` overwrites it with the sum. Every rank ends with identical bits. One reduction is open at a time.
  virtual void start(View<float> partial, Reduction reduction, Op name) = 0;
  virtual void finish() = 0;
  void all_reduce(View<float> partial, Reduction reduction, Op name) {
    start(partial, reduction, name);
    finish();
  }

  // Ends when every rank has come here; what each wrote before is then visible to all.
  virtual void barrier() = 0;

  // A barrier that stands in the trace: each rank has written its part of a block that all read, this one `bytes`
  // that others need.
  virtual void gather(Op name, int64_t bytes) = 0;

  // Bytes this rank has sent to others since it was made.
  virtual int64_t sent() const = 0;

  // Releases every rank that waits, or will wait, with CollectiveAborted carrying `reason`.
  virtual void abort(std::exception_ptr reason) = 0;
};

}  // namespace stateline
