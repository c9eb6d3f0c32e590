// The Mamba mixer of one layer.
#pragma once

#include "model/layer_state.h"
#include "model/step.h"
#include "model/weights.h"

namespace stateline {

// out_proj's sum over all ranks, for the step's tokens. `ssm_epsilon` 0: dt, B and C are not normed.
// in, out [tokens, h]
View<const float> mixer(Step& step, const MixerWeights& w, float ssm_epsilon, View<const float> in,
                        const LayerState& state);

}  // namespace stateline
