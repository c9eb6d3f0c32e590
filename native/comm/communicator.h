// Collectives among the ranks of one group. One object a rank; all ranks call the same collectives in the same order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "device/tensor.h"
#include "runtime/error.h"
#include "trace/span.h"

namespace stateline {

class Device;
class Recorder;

struct Reduction {
  WireType wire = WireType::f32;
  int32_t group = 128;  // values that share one scale on an int8 wire
};

// Wires by the size of a sum, so that every rank takes the same one: the last step that begins at or below it.
struct WireTable {
  struct Step {
    int64_t from_bytes = 0;  // of the values as f32
    WireType wire = WireType::f32;
  };
  std::vector<Step> steps{{}};  // ascending, the first from 0
  int32_t group = 128;

  Reduction of(View<const float> values) const {
    const int64_t bytes = values.rows * values.columns * static_cast<int64_t>(sizeof(float));
    WireType wire = steps.front().wire;
    for (const Step& step : steps) {
      if (step.from_bytes <= bytes) wire = step.wire;
    }
    return {wire, group};
  }
};

// What a rank gets that waited, or would have waited, for one that failed. `reason` is that rank's own exception.
struct CollectiveAborted : Error {
  explicit CollectiveAborted(std::exception_ptr reason)
      : Error("E_COLLECTIVE_ABORTED", "a collective ended early because another rank failed"),
        reason(std::move(reason)) {}
  std::exception_ptr reason;
};

// `missing`: the ranks that had not arrived, among all of the engine.
struct CollectiveTimeout : Error {
  CollectiveTimeout(int rank, int64_t timeout_ms, const std::vector<int>& missing);
};

// A back end whose ranks are devices enqueues on its stream: `start` returns once the message is queued, `finish` makes
// later work of the stream wait for the sum. Neither says that the host may read it; only barrier() does.
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

  // The sum replaces `partial` on `root` alone; the other ranks' values stay.
  virtual void reduce(View<float> partial, int root, Reduction reduction, Op name) = 0;
  // The values of `root` replace all others', to the bit.
  virtual void broadcast(View<float> values, int root, Op name) = 0;
  // On `root`, `all` gets every rank's part, one below the other in the order of ranks; nobody else's `all` is read.
  // part [rows, columns], all [size() · rows, columns]
  virtual void gather(View<const float> part, View<float> all, int root, Op name) = 0;

  // Ends when every rank has come here; what each wrote to the host before is then visible to all.
  virtual void barrier() = 0;
  // A barrier that stands in the trace: each rank has written its part of a block on the host that all read, this one
  // `bytes` that others need.
  virtual void publish(Op name, int64_t bytes) = 0;

  // Bytes this rank has sent to others since it was made.
  virtual int64_t sent() const = 0;

  // Releases every rank that waits, or will wait, with CollectiveAborted carrying `reason`.
  virtual void abort(std::exception_ptr reason) = 0;
  // On the rank's thread, after an abort: what it has put on a device and waits for others there ends.
  virtual void release() {}
};

// The ranks that reduce together; outlives their communicators.
class Group {
 public:
  virtual ~Group() = default;
  // The rank's end, called on its thread. The device and the recorder must outlive it.
  virtual std::unique_ptr<Communicator> join(int rank, Device& device, Recorder& recorder) = 0;
  virtual void abort(std::exception_ptr reason) = 0;
  // After an abort, once no rank is inside a collective: the group serves again.
  virtual void reset() = 0;
  // Wire memory of all ranks together.
  virtual int64_t bytes() const = 0;
  // What messages travel over, in words.
  virtual std::string link() const = 0;
};

}  // namespace stateline
