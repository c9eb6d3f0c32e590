// The stack of layers.
#pragma once

#include <functional>
#include <span>

#include "model/layer_state.h"
#include "model/shape.h"
#include "model/step.h"
#include "model/weights.h"

namespace stateline {

// Gets the residual stream behind each layer in two parts that have not been added yet, [tokens, h]; behind the
// embedding, layer -1, `delta` is empty. Both are memory of the device.
using LayerObserver = std::function<void(int layer, View<const float> residual, View<const float> delta)>;

// Hidden states after the final norm, [tokens, h], in Workspace::normed.  `states`: one a layer; `observe` may be null.
View<const float> hidden_states(Step& step, const ModelWeights& w, const ModelShape& shape,
                                std::span<const LayerState> states, const LayerObserver* observe = nullptr);

}  // namespace stateline
