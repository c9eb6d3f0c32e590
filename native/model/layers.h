// The stack of layers.
#pragma once

#include <span>

#include "model/layer_state.h"
#include "model/shape.h"
#include "model/step.h"
#include "model/weights.h"

namespace stateline {

// Hidden states after the final norm, [tokens, h].  `states`: one a layer; `ids`: the step's tokens.
View<const float> hidden_states(Step& step, const ModelWeights& w, const ModelShape& shape,
                                std::span<const LayerState> states, const int32_t* ids);

}  // namespace stateline
