#include "model/mixer.h"

namespace stateline {
namespace {

// The columns of x_proj's output, in the order of its rows: dt, B, C.
ScanInputs split(View<float> params, int64_t dt_rank, int64_t states) {
  return {params.columns_from(0, dt_rank), params.columns_from(dt_rank, states),
          params.columns_from(dt_rank + states, states)};
}

}  // namespace

// arXiv 2312.00752, equations 2 and 3 and figure 3; the split over ranks is that of arXiv 2602.21144.
View<const float> mixer(Step& step, const MixerWeights& w, View<const float> in, const MixerState& state) {
  const auto x = step.in_proj_x(*w.in_proj_x, in);
  const auto u = step.conv1d(w.conv, x, state.conv);
  const auto params = step.x_proj(*w.x_proj, u);

  step.start_all_reduce_x_proj(params);             // dt, B and C need every rank's channels,
  const auto z = step.in_proj_z(*w.in_proj_z, in);  // the gate needs none: computed while they travel
  step.finish_all_reduce();

  const auto inputs = split(params, w.dt_proj->columns(), w.scan.states);
  const auto delta = step.dt_proj(*w.dt_proj, inputs.dt);
  const auto y = step.selective_scan(w.scan, u, delta, inputs, z, state.ssm);
  const auto out = step.out_proj(*w.out_proj, y);
  step.all_reduce_out_proj(out);
  return out;
}

View<const float> hidden_states(Step& step, const ModelWeights& w, float epsilon, std::span<const MixerState> states,
                                const int32_t* ids) {
  const auto residual = step.embed(w.embedding, ids);
  View<const float> delta;
  for (size_t layer = 0; layer < w.layers.size(); ++layer) {
    step.layer(static_cast<int>(layer));
    const auto in = step.norm(residual, delta, w.layers[layer].norm, epsilon);
    delta = mixer(step, w.layers[layer].mixer, in, states[layer]);
  }
  step.layer(-1);
  return step.norm(residual, delta, w.norm_f, epsilon);
}

}  // namespace stateline
