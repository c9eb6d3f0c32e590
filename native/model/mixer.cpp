#include "model/mixer.h"

namespace stateline {

// arXiv 2312.00752, equations 2 and 3 and figure 3; the split over ranks is that of arXiv 2602.21144; heads as Zamba
// has them, arXiv 2405.16712.
View<const float> mixer(Step& step, const MixerWeights& w, float ssm_epsilon, View<const float> in,
                        const LayerState& state) {
  const auto x = step.in_proj_x(*w.in_proj_x, in);
  const auto u = step.conv1d(w.conv, x, state.conv);
  const auto params = step.x_proj(w.heads, u);

  step.start_all_reduce_x_proj(params);  // dt, B and C need all channels of their head,
  if (!step.overlaps()) step.finish_all_reduce_x_proj();
  const auto z = step.in_proj_z(*w.in_proj_z, in);  // the gate needs none: computed while they travel
  if (step.overlaps()) step.finish_all_reduce_x_proj();

  if (ssm_epsilon > 0) step.ssm_norm(w.heads, params, ssm_epsilon);
  const auto y = step.fuses_state_update()
                     ? step.state_update(w.heads, u, params, z, state.ssm)
                     : step.selective_scan(w.heads, u, step.dt_proj(w.heads, params), params, z, state.ssm);
  const auto out = step.out_proj(*w.out_proj, y);
  step.all_reduce_out_proj(out);
  return out;
}

}  // namespace stateline
