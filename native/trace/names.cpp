#include "trace/names.h"

#include <array>

namespace stateline {
namespace {

struct OpText {
  Op op;
  std::string_view name;
  Kind kind;
};

constexpr std::array kOps = {
    OpText{Op::embed, "embed", Kind::copy},
    OpText{Op::norm, "norm", Kind::norm},
    OpText{Op::in_proj_x, "in_proj.x", Kind::gemm},
    OpText{Op::in_proj_z, "in_proj.z", Kind::gemm},
    OpText{Op::conv1d, "conv1d", Kind::conv},
    OpText{Op::conv1d_update, "conv1d_update", Kind::conv},
    OpText{Op::x_proj, "x_proj", Kind::gemm},
    OpText{Op::ssm_norm, "ssm_norm", Kind::norm},
    OpText{Op::dt_proj, "dt_proj", Kind::gemm},
    OpText{Op::selective_scan, "selective_scan", Kind::scan},
    OpText{Op::state_update, "state_update", Kind::scan},
    OpText{Op::out_proj, "out_proj", Kind::gemm},
    OpText{Op::qkv_proj, "qkv_proj", Kind::gemm},
    OpText{Op::attention, "attention", Kind::attention},
    OpText{Op::o_proj, "o_proj", Kind::gemm},
    OpText{Op::mlp_up, "mlp.up", Kind::gemm},
    OpText{Op::mlp_down, "mlp.down", Kind::gemm},
    OpText{Op::hybrid_linear, "hybrid_linear", Kind::gemm},
    OpText{Op::lm_head, "lm_head", Kind::gemm},
    OpText{Op::sample, "sample", Kind::sample},
    OpText{Op::all_reduce_x_proj, "all_reduce.x_proj", Kind::collective},
    OpText{Op::all_reduce_out_proj, "all_reduce.out_proj", Kind::collective},
    OpText{Op::all_reduce_o_proj, "all_reduce.o_proj", Kind::collective},
    OpText{Op::all_reduce_mlp, "all_reduce.mlp", Kind::collective},
    OpText{Op::gather_logits, "gather_logits", Kind::collective},
    OpText{Op::quantise, "quantise", Kind::collective},
    OpText{Op::exchange, "exchange", Kind::collective},
    OpText{Op::reduce, "reduce", Kind::collective},
    OpText{Op::dequantise, "dequantise", Kind::collective},
    OpText{Op::step, "step", Kind::host},
};

constexpr bool in_order_of_code() {
  for (size_t i = 0; i < kOps.size(); ++i) {
    if (static_cast<size_t>(kOps[i].op) != i) return false;
  }
  return kOps.back().op == Op::step;  // the last enumerator
}
static_assert(in_order_of_code(), "a row for every Op, in the order of the enumeration");

constexpr auto kOpNames = [] {
  std::array<std::string_view, kOps.size()> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kOps[i].name;
  return names;
}();

constexpr std::string_view kKinds[] = {"scan",       "conv", "gemm",   "norm", "attention",
                                       "collective", "copy", "sample", "host"};
constexpr std::string_view kPhases[] = {"prefill", "decode"};
constexpr std::string_view kWireTypes[] = {"", "f32", "f16", "bf16", "int8"};
constexpr std::string_view kAlgorithms[] = {"", "one-shot", "two-shot", "nccl"};

}  // namespace

Kind kind_of(Op op) { return kOps[static_cast<size_t>(op)].kind; }
std::string_view name_of(Op op) { return kOps[static_cast<size_t>(op)].name; }
std::string_view name_of(WireType wire) { return kWireTypes[static_cast<size_t>(wire)]; }

std::span<const std::string_view> op_names() { return kOpNames; }
std::span<const std::string_view> kind_names() { return kKinds; }
std::span<const std::string_view> phase_names() { return kPhases; }
std::span<const std::string_view> wire_type_names() { return kWireTypes; }
std::span<const std::string_view> algorithm_names() { return kAlgorithms; }

}  // namespace stateline
