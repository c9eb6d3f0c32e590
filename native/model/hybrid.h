// The attention and MLP of Zamba's hybrid layers (arXiv 2405.16712).
#pragma once

#include "model/layer_state.h"
#include "model/step.h"
#include "model/weights.h"

namespace stateline {

// What the layer adds to its mixer's input alone: the residual stream goes on without it. Adds `delta` to the residual.
// residual, delta, embedding, out [tokens, h]
View<const float> hybrid(Step& step, const LayerWeights& w, float epsilon, View<float> residual,
                         View<const float> delta, View<const float> embedding, const LayerState& state);

}  // namespace stateline
