#include "model/hybrid.h"

namespace stateline {

View<const float> hybrid(Step& step, const LayerWeights& w, float epsilon, View<float> residual,
                         View<const float> delta, View<const float> embedding, const LayerState& state) {
  const SharedBlock& block = *w.block;
  const auto pair = step.norm_pair(residual, delta, embedding, block.attention_norm, epsilon);
  const auto attended = step.attention(block, pair, state.kv);
  const auto o = step.o_proj(*block.o_proj, attended);
  step.all_reduce_o_proj(o);

  const auto in = step.norm(o, {}, block.mlp_norm, epsilon);
  const auto down = step.mlp_down(*block.down, step.mlp_up(block, in));
  step.all_reduce_mlp(down);
  return step.hybrid_linear(*w.linear, down);
}

}  // namespace stateline
