// The Mamba mixer of one layer, and the stack of layers around it.
#pragma once

#include <span>

#include "model/mixer_state.h"
#include "model/step.h"
#include "model/weights.h"

namespace stateline {

// out_proj's sum over all ranks, for the step's tokens.  in, out [tokens, h]
View<const float> mixer(Step& step, const MixerWeights& w, View<const float> in, const MixerState& state);

// Hidden states after the final norm, [tokens, h].  `states`: one a layer; `ids`: the step's tokens.
View<const float> hidden_states(Step& step, const ModelWeights& w, float epsilon, std::span<const MixerState> states,
                                const int32_t* ids);

}  // namespace stateline
