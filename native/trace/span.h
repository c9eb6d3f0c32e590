// What a rank records: one span an op or collective. Plain data, drained by the addon as columns.
#pragma once

#include <cstdint>

namespace stateline {

// Op names of the trace; trace/names.cpp has their texts and kinds.
enum class Op : uint8_t {
  embed,
  norm,
  in_proj_x,
  in_proj_z,
  conv1d,
  conv1d_update,
  x_proj,
  ssm_norm,
  dt_proj,
  selective_scan,
  state_update,
  out_proj,
  qkv_proj,
  attention,
  o_proj,
  mlp_up,
  mlp_down,
  hybrid_linear,
  lm_head,
  sample,
  all_reduce_x_proj,
  all_reduce_out_proj,
  all_reduce_o_proj,
  all_reduce_mlp,
  gather_logits,
  quantise,
  exchange,
  reduce,
  dequantise,  // inside an all_reduce
  step,        // the rank's whole step, on the host stream
};

enum class Stream : uint8_t { compute = 0, communication = 1, host = 2 };
enum class Phase : uint8_t { prefill = 0, decode = 1 };
enum class Algorithm : uint8_t { none = 0, one_shot = 1, two_shot = 2, nccl = 3 };
enum class WireType : uint8_t { none = 0, f32 = 1, f16 = 2, bf16 = 3, int8 = 4 };

struct Span {
  uint64_t begin = 0;  // clock ticks (trace/clock.h); nanoseconds once drained
  uint64_t end = 0;
  int64_t flops = 0;
  int64_t bytes = 0;
  int64_t wire_bytes = 0;
  int64_t seq = -1;  // ordinal of the collective in its group; children carry their parent's
  int32_t step = 0;
  int32_t tokens = 0;
  int32_t sequences = 0;
  int32_t cell = -1;
  int32_t request = -1;
  int16_t layer = -1;
  int16_t group = -1;
  Op op = Op::step;
  Stream stream = Stream::compute;
  Phase phase = Phase::prefill;
  WireType wire_type = WireType::none;
  Algorithm algorithm = Algorithm::none;
};

}  // namespace stateline
