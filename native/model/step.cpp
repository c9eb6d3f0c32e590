#include "model/step.h"

#include <algorithm>

namespace stateline {
namespace {

constexpr int64_t kFloat = sizeof(float);

// Arithmetic of one value, an exponential or a division counted as one operation.
constexpr int64_t kNormFlops = 4;          // square, add, scale, weight
constexpr int64_t kSiluFlops = 4;          // negate, exp, add, divide
constexpr int64_t kGeluFlops = 14;         // 1/(1 + p|x|) 3, polynomial 8, exp 2, gate
constexpr int64_t kScanStateFlops = 7;     // Δ·a, exp2, ·S, Δu·B, +, ·C, +
constexpr int64_t kScanChannelFlops = 12;  // softplus 3, Δu, D·u, +, silu(z) 4, gate, last sum

int64_t total(Segments segments) {
  int64_t tokens = 0;
  for (const Segment& segment : segments) tokens += segment.length;
  return tokens;
}

// What makes a head's recurrence depend on its input, by the rows of x_proj: dt, B, C.
struct ScanInputs {
  View<float> dt;  // [tokens, r]
  View<float> b;   // [tokens, N]
  View<float> c;   // [tokens, N]
};

ScanInputs inputs_of(const MixerHead& head, View<float> params) {
  const int64_t r = head.dt_proj->columns(), n = head.scan.states;
  return {params.columns_from(0, r), params.columns_from(r, n), params.columns_from(r + n, n)};
}

// Of one head, whose channels begin at `channel` of this rank's.
SsmState state_of(const MixerHead& head, SsmState state, int64_t channel) {
  return {state.data + channel * head.scan.states, state.slot_stride};
}

// Calls each(head, its first channel on this rank, its columns of `params`).
template <class Each>
void for_each_head(MixerHeads heads, View<float> params, Each each) {
  int64_t channel = 0, parameter = 0;
  for (const MixerHead& head : heads) {
    const int64_t rows = head.x_proj->rows();
    each(head, channel, params.columns_from(parameter, rows));
    channel += head.channels();
    parameter += rows;
  }
}

}  // namespace

Step::Step(Tools& tools, StepInputs inputs, const Cuts& cuts, bool record, const StepLabel& label)
    : tools_(tools),
      cuts_(cuts),
      segments_(inputs.segments),
      tokens_(total(inputs.segments)),
      decode_(label.phase == Phase::decode) {
  tools_.recorder.begin_step(record, label);
  staged_ = tools_.device.stage(inputs);
}

View<float> Step::embed(const Table& table) { return embed(table, tools_.workspace.residual(tokens_)); }

View<float> Step::keep_embedding(const Table& table) { return embed(table, tools_.workspace.embedding(tokens_)); }

View<float> Step::embed(const Table& table, View<float> out) {
  tools_.device.embed(table, staged_.ids, out);
  tools_.recorder.op(Op::embed, [&] {
    return Work{0, tokens_ * (out.columns * kFloat + static_cast<int64_t>(table.row_bytes()))};
  });
  return out;
}

View<float> Step::norm(View<float> residual, View<const float> delta, const float* weight, float epsilon) {
  const auto out = tools_.workspace.normed(tokens_);
  tools_.device.norm(residual, delta, weight, epsilon, out);
  tools_.recorder.op(Op::norm, [&] {
    const int64_t values = tokens_ * residual.columns;
    const int64_t adds = delta.empty() ? 0 : 1;
    return Work{values * (kNormFlops + adds), values * kFloat * (2 + 2 * adds)};
  });
  return out;
}

Work Step::work_of(const Matrix& weight, int64_t tokens) {
  const int64_t rows = weight.rows(), columns = weight.columns();
  return {2 * tokens * rows * columns, static_cast<int64_t>(weight.bytes()) + tokens * (rows + columns) * kFloat};
}

void Step::matmul(Op op, const Matrix& weight, View<const float> in, View<float> out) {
  tools_.device.matmul(weight, in, out);
  tools_.recorder.op(op, [&] { return work_of(weight, in.rows); });
}

View<float> Step::in_proj_x(const Matrix& weight, View<const float> in) {
  const auto out = tools_.workspace.x(tokens_);
  matmul(Op::in_proj_x, weight, in, out);
  return out;
}

View<float> Step::in_proj_z(const Matrix& weight, View<const float> in) {
  const auto out = tools_.workspace.z(tokens_);
  matmul(Op::in_proj_z, weight, in, out);
  return out;
}

template <class Run>
void Step::between_cuts(const Cuts::Reached& reached, Run run) const {
  int32_t begin = 0;
  for (size_t i = 0; i <= cuts_.at.size(); ++i) {
    const int32_t end = i < cuts_.at.size() ? cuts_.at[i].segments : staged_.segments.count;
    if (end > begin) run(Segments{staged_.segments.data + begin, end - begin});
    begin = end;
    if (reached && i < cuts_.at.size()) reached(i, layer_);
  }
}

View<float> Step::conv1d(const ConvParameters& conv, View<const float> x, ConvState state) {
  const auto out = tools_.workspace.u(tokens_);
  between_cuts(cuts_.conv, [&](Segments segments) { tools_.device.conv1d(conv, x, segments, state, out); });
  tools_.recorder.op(decode_ ? Op::conv1d_update : Op::conv1d, [&] {
    const int64_t values = tokens_ * x.columns;
    const int64_t states = 2 * segments_.count * (conv.taps - 1) * x.columns;
    return Work{values * (2 * conv.taps + kSiluFlops), (2 * values + states + conv.taps * x.columns) * kFloat};
  });
  return out;
}

View<float> Step::x_proj(MixerHeads heads, View<const float> u) {
  const auto params = tools_.workspace.params(tokens_);
  for_each_head(heads, params, [&](const MixerHead& head, int64_t channel, View<float> out) {
    tools_.device.matmul(*head.x_proj, u.columns_from(channel, head.channels()), out);
  });
  tools_.recorder.op(Op::x_proj, [&] {
    Work work;
    for (const MixerHead& head : heads) work += work_of(*head.x_proj, tokens_);
    return work;
  });
  return params;
}

void Step::ssm_norm(MixerHeads heads, View<float> params, float epsilon) {
  for_each_head(heads, params, [&](const MixerHead& head, int64_t, View<float> own) {
    const auto in = inputs_of(head, own);
    for (const View<float>& part : {in.dt, in.b, in.c}) tools_.device.norm(part, {}, nullptr, epsilon, part);
  });
  tools_.recorder.op(Op::ssm_norm, [&] {
    const int64_t values = tokens_ * params.columns;
    return Work{values * kNormFlops, values * kFloat * 2};
  });
}

View<float> Step::dt_proj(MixerHeads heads, View<float> params) {
  const auto delta = tools_.workspace.delta(tokens_);
  for_each_head(heads, params, [&](const MixerHead& head, int64_t channel, View<float> own) {
    tools_.device.matmul(*head.dt_proj, inputs_of(head, own).dt, delta.columns_from(channel, head.channels()));
  });
  tools_.recorder.op(Op::dt_proj, [&] { return dt_proj_work(heads); });
  return delta;
}

Work Step::dt_proj_work(MixerHeads heads) const {
  Work work;
  for (const MixerHead& head : heads) work += work_of(*head.dt_proj, tokens_);
  return work;
}

View<float> Step::state_update(MixerHeads heads, View<float> u, View<float> params, View<const float> z,
                               SsmState state) {
  for_each_head(heads, params, [&](const MixerHead& head, int64_t channel, View<float> own) {
    const int64_t count = head.channels();
    const auto in = inputs_of(head, own);
    const auto y = u.columns_from(channel, count);
    tools_.device.fused()->state_update(*head.dt_proj, head.scan, y, in.dt, in.b, in.c, z.columns_from(channel, count),
                                        staged_.segments, state_of(head, state, channel), y);
  });
  tools_.recorder.op(Op::state_update, [&] { return scan_work(heads, u.columns) += dt_proj_work(heads); });
  return u;
}

View<float> Step::selective_scan(MixerHeads heads, View<float> u, View<const float> delta, View<float> params,
                                 View<const float> z, SsmState state) {
  between_cuts(cuts_.ssm, [&](Segments segments) {
    for_each_head(heads, params, [&](const MixerHead& head, int64_t channel, View<float> own) {
      const int64_t count = head.channels();
      const auto in = inputs_of(head, own);
      const auto y = u.columns_from(channel, count);
      tools_.device.selective_scan(head.scan, y, delta.columns_from(channel, count), in.b, in.c,
                                   z.columns_from(channel, count), segments, state_of(head, state, channel), y);
    });
  });
  tools_.recorder.op(decode_ ? Op::state_update : Op::selective_scan, [&] { return scan_work(heads, u.columns); });
  return u;
}

Work Step::scan_work(MixerHeads heads, int64_t channels) const {
  const int64_t values = tokens_ * channels, states = heads.front().scan.states;
  const int64_t inputs = 2 * tokens_ * states * static_cast<int64_t>(heads.size());
  const int64_t floats = 4 * values + inputs + (1 + 2 * segments_.count) * states * channels;
  return {values * (kScanStateFlops * states + kScanChannelFlops), floats * kFloat};
}

View<float> Step::out_proj(const Matrix& weight, View<const float> y) {
  const auto out = tools_.workspace.out(tokens_);
  matmul(Op::out_proj, weight, y, out);
  return out;
}

void Step::start_all_reduce_x_proj(View<float> partial) {
  if (tools_.head_group) tools_.head_group->start(partial, {WireType::f32}, Op::all_reduce_x_proj);
}

void Step::finish_all_reduce_x_proj() {
  if (tools_.head_group) tools_.head_group->finish();
}

void Step::all_reduce_out_proj(View<float> partial) {
  tools_.communicator.all_reduce(partial, tools_.wires.of(partial), Op::all_reduce_out_proj);
}

View<float> Step::norm_pair(View<float> residual, View<const float> delta, View<const float> embedding,
                            const float* weight, float epsilon) {
  const auto out = tools_.workspace.pair(tokens_);
  tools_.device.norm_pair(residual, delta, embedding, weight, epsilon, out);
  tools_.recorder.op(Op::norm, [&] {
    const int64_t values = tokens_ * out.columns;
    return Work{values * kNormFlops + tokens_ * residual.columns, values * kFloat * 3};
  });
  return out;
}

View<float> Step::norm_sum(View<const float> residual, View<const float> hybrid, const float* weight, float epsilon) {
  const auto out = tools_.workspace.normed(tokens_);
  tools_.device.norm_sum(residual, hybrid, weight, epsilon, out);
  tools_.recorder.op(Op::norm, [&] {
    const int64_t values = tokens_ * out.columns;
    return Work{values * (kNormFlops + 1), values * kFloat * 3};
  });
  return out;
}

View<float> Step::attention(const SharedBlock& block, View<const float> in, KvCache cache) {
  const Workspace& workspace = tools_.workspace;
  const auto q = workspace.q(tokens_), k = workspace.k(tokens_), v = workspace.v(tokens_);
  tools_.device.matmul(*block.q_proj, in, q);
  tools_.device.matmul(*block.k_proj, in, k);
  tools_.device.matmul(*block.v_proj, in, v);
  tools_.recorder.op(Op::qkv_proj, [&] {
    Work work = work_of(*block.q_proj, tokens_);
    work += work_of(*block.k_proj, tokens_);
    return work += work_of(*block.v_proj, tokens_);
  });

  const auto out = workspace.attended(tokens_);
  between_cuts(nullptr,
               [&](Segments segments) { tools_.device.attention(block.attention, q, k, v, segments, cache, out); });
  tools_.recorder.op(Op::attention, [&] {
    int64_t pairs = 0, kept = 0;  // query-key pairs of a head, tokens whose keys and values are read
    for (const Segment& segment : segments_) {
      const int64_t length = segment.length, before = segment.position;
      pairs += length * before + length * (length + 1) / 2;
      kept += before + length;
    }
    return Work{pairs * q.columns * 4, (2 * kept * k.columns + 2 * tokens_ * q.columns) * kFloat};
  });
  return out;
}

View<float> Step::o_proj(const Matrix& weight, View<const float> in) {
  const auto out = tools_.workspace.out(tokens_);
  matmul(Op::o_proj, weight, in, out);
  return out;
}

void Step::all_reduce_o_proj(View<float> partial) {
  tools_.communicator.all_reduce(partial, tools_.wires.of(partial), Op::all_reduce_o_proj);
}

View<float> Step::mlp_up(const SharedBlock& block, View<const float> in) {
  const auto gate = tools_.workspace.gate(tokens_), up = tools_.workspace.up(tokens_);
  tools_.device.matmul(*block.gate, in, gate);
  tools_.device.matmul(*block.up, in, up);
  tools_.device.gelu_gate(gate, up, gate);
  tools_.recorder.op(Op::mlp_up, [&] {
    Work work = work_of(*block.gate, tokens_);
    work += work_of(*block.up, tokens_);
    const int64_t values = tokens_ * gate.columns;
    return work += {values * kGeluFlops, values * kFloat * 3};
  });
  return gate;
}

View<float> Step::mlp_down(const Matrix& weight, View<const float> in) {
  const auto out = tools_.workspace.out(tokens_);
  matmul(Op::mlp_down, weight, in, out);
  return out;
}

void Step::all_reduce_mlp(View<float> partial) {
  tools_.communicator.all_reduce(partial, tools_.wires.of(partial), Op::all_reduce_mlp);
}

View<float> Step::hybrid_linear(const Matrix& weight, View<const float> in) {
  const auto out = tools_.workspace.hybrid(tokens_);
  matmul(Op::hybrid_linear, weight, in, out);
  return out;
}

View<const float> Step::gather(View<const float> hidden, std::span<const int32_t> rows) {
  const auto out = tools_.workspace.out(static_cast<int64_t>(rows.size()));
  tools_.device.gather(hidden, rows.data(), out);
  return out;
}

View<const float> Step::logits(const ModelWeights& weights, View<const float> hidden) {
  const auto block = tools_.logits.next(tools_.communicator.rank(), hidden.rows);
  int64_t columns = 0;
  if (weights.lm_head) {
    columns = weights.lm_head->rows();
    tools_.device.matmul_to_host(*weights.lm_head, hidden, block.columns_from(weights.head_begin, columns));
    tools_.recorder.op(Op::lm_head, [&] { return work_of(*weights.lm_head, hidden.rows); });
  }
  tools_.communicator.publish(Op::gather_logits, hidden.rows * columns * kFloat);
  return block;
}

View<const float> Step::largest_logits(const ModelWeights& weights, View<const float> hidden, int64_t k) {
  const int rank = tools_.communicator.rank();
  const auto block = tools_.logits.next(rank, hidden.rows);
  const auto own = block.columns_from(2 * k * rank, 2 * k);
  const int64_t held = weights.lm_head ? std::min(k, weights.lm_head->rows()) : 0;
  const View<int32_t> ids{reinterpret_cast<int32_t*>(own.data + k), own.rows, held, own.stride};
  if (held > 0) {
    tools_.device.largest_to_host(*weights.lm_head, hidden, own.columns_from(0, held), ids);
    tools_.recorder.op(Op::lm_head, [&] { return work_of(*weights.lm_head, hidden.rows); });
  }
  for (int64_t row = 0; row < own.rows; ++row) {
    for (int64_t i = 0; i < held; ++i) ids.row(row)[i] += static_cast<int32_t>(weights.head_begin);
    std::fill_n(ids.row(row) + held, k - held, -1);
  }
  tools_.communicator.publish(Op::gather_logits, hidden.rows * held * 2 * kFloat);
  return block;
}

std::span<const TopLogit> Step::largest(View<const float> row, int64_t k, std::vector<TopLogit>& room) const {
  room.clear();
  for (int rank = 0; rank < tools_.communicator.size(); ++rank) {
    const float* values = row.data + 2 * k * rank;
    const auto* ids = reinterpret_cast<const int32_t*>(values + k);
    for (int64_t i = 0; i < k && ids[i] >= 0; ++i) room.push_back({values[i], ids[i]});
  }
  return largest_of(room, k);
}

}  // namespace stateline
