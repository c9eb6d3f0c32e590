#include "model/step.h"

namespace stateline {
namespace {

constexpr int64_t kFloat = sizeof(float);

// Arithmetic of one value, an exponential or a division counted as one operation.
constexpr int64_t kNormFlops = 4;          // square, add, scale, weight
constexpr int64_t kSiluFlops = 4;          // negate, exp, add, divide
constexpr int64_t kScanStateFlops = 7;     // Δ·a, exp2, ·S, Δu·B, +, ·C, +
constexpr int64_t kScanChannelFlops = 12;  // softplus 3, Δu, D·u, +, silu(z) 4, gate, last sum

int64_t total(Segments segments) {
  int64_t tokens = 0;
  for (const Segment& segment : segments) tokens += segment.length;
  return tokens;
}

}  // namespace

Step::Step(Tools& tools, Segments segments, bool record, const StepLabel& label)
    : tools_(tools), segments_(segments), tokens_(total(segments)), decode_(label.phase == Phase::decode) {
  tools_.recorder.begin_step(record, label);
}

View<float> Step::embed(const TensorSlice& table, const int32_t* ids) {
  const auto out = tools_.workspace.residual(tokens_);
  tools_.device.embed(table, ids, out);
  tools_.recorder.op(Op::embed, [&] {
    const int64_t values = tokens_ * out.columns;
    return Work{0, values * (kFloat + (table.dtype == DType::f32 ? 4 : 2))};
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

void Step::matmul(Op op, const Matrix& weight, View<const float> in, View<float> out) {
  tools_.device.matmul(weight, in, out);
  tools_.recorder.op(op, [&] {
    const int64_t rows = weight.rows(), columns = weight.columns();
    return Work{2 * in.rows * rows * columns,
                static_cast<int64_t>(weight.bytes()) + in.rows * (rows + columns) * kFloat};
  });
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

View<float> Step::conv1d(const ConvParameters& conv, View<const float> x, ConvState state) {
  const auto out = tools_.workspace.u(tokens_);
  tools_.device.conv1d(conv, x, segments_, state, out);
  tools_.recorder.op(decode_ ? Op::conv1d_update : Op::conv1d, [&] {
    const int64_t values = tokens_ * x.columns;
    const int64_t states = 2 * segments_.count * (conv.taps - 1) * x.columns;
    return Work{values * (2 * conv.taps + kSiluFlops), (2 * values + states + conv.taps * x.columns) * kFloat};
  });
  return out;
}

View<float> Step::x_proj(const Matrix& weight, View<const float> u) {
  const auto out = tools_.workspace.params(tokens_);
  matmul(Op::x_proj, weight, u, out);
  return out;
}

View<float> Step::dt_proj(const Matrix& weight, View<const float> dt) {
  const auto out = tools_.workspace.delta(tokens_);
  matmul(Op::dt_proj, weight, dt, out);
  return out;
}

View<float> Step::selective_scan(const ScanParameters& scan, View<float> u, View<const float> delta,
                                 const ScanInputs& in, View<const float> z, SsmState state) {
  tools_.device.selective_scan(scan, u, delta, in.b, in.c, z, segments_, state, u);
  tools_.recorder.op(decode_ ? Op::state_update : Op::selective_scan, [&] {
    const int64_t values = tokens_ * u.columns, states = scan.states;
    const int64_t floats = 4 * values + 2 * tokens_ * states + (1 + 2 * segments_.count) * states * u.columns;
    return Work{values * (kScanStateFlops * states + kScanChannelFlops), floats * kFloat};
  });
  return u;
}

View<float> Step::out_proj(const Matrix& weight, View<const float> y) {
  const auto out = tools_.workspace.out(tokens_);
  matmul(Op::out_proj, weight, y, out);
  return out;
}

void Step::start_all_reduce_x_proj(View<float> partial) {
  tools_.communicator.start(partial, {WireType::f32}, Op::all_reduce_x_proj);
}

void Step::all_reduce_out_proj(View<float> partial) {
  tools_.communicator.all_reduce(partial, tools_.out_proj_wire, Op::all_reduce_out_proj);
}

View<const float> Step::logits(const ModelWeights& weights, View<const float> hidden) {
  const auto block = tools_.logits.next(tools_.communicator.rank(), hidden.rows);
  int64_t columns = 0;
  if (weights.lm_head) {
    columns = weights.lm_head->rows();
    matmul(Op::lm_head, *weights.lm_head, hidden, block.columns_from(weights.head_begin, columns));
  }
  tools_.communicator.gather(Op::gather_logits, hidden.rows * columns * kFloat);
  return block;
}

int32_t Step::sample(Sampler& sampler, View<const float> logits, int64_t ordinal) {
  const int32_t token = sampler.sample(logits, ordinal);
  tools_.recorder.op(
      Op::sample,
      [&] {
        return Work{0, logits.columns * kFloat};
      },
      Stream::host);
  return token;
}

}  // namespace stateline
