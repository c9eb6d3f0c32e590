#include "model/layers.h"

#include "model/hybrid.h"
#include "model/mixer.h"

namespace stateline {

View<const float> hidden_states(Step& step, const ModelWeights& w, const ModelShape& shape,
                                std::span<const LayerState> states, const LayerObserver* observe) {
  const float epsilon = shape.epsilon;
  const auto residual = step.embed(*w.embedding);
  const auto embedding = w.blocks.empty() ? View<float>{} : step.keep_embedding(*w.embedding);
  View<const float> delta;  // of the layer before, not yet added
  if (observe) (*observe)(-1, residual, delta);
  for (size_t i = 0; i < w.layers.size(); ++i) {
    const LayerWeights& layer = w.layers[i];
    step.layer(static_cast<int>(i));
    View<const float> in;
    if (layer.block) {
      const auto own = hybrid(step, layer, epsilon, residual, delta, embedding, states[i]);
      in = step.norm_sum(residual, own, layer.norm, epsilon);
    } else {
      in = step.norm(residual, delta, layer.norm, epsilon);
    }
    delta = mixer(step, layer.mixer, shape.ssm_epsilon, in, states[i]);
    if (observe) (*observe)(static_cast<int>(i), residual, delta);
  }
  step.layer(-1);
  return step.norm(residual, delta, w.norm_f, epsilon);
}

}  // namespace stateline
