/** The tensors of a random model: names and shapes as the published checkpoints have them, and what fills each. */

import { dtRankOf, innerOf, isHybrid, states, taps, type PublishedShape } from "./shapes";

/** Scales follow state-spaces' initialisation, so that activations stay in a sane range. */
export type Fill =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "logStates" }
  | { readonly kind: "dtBias" };

export interface RandomTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly fill: Fill;
}

/** In the order in which they are written. */
export function tensorsOf(shape: PublishedShape): RandomTensor[] {
  return shape.family === "zamba" ? zambaTensors(shape) : mambaTensors(shape);
}

export function valuesOf(tensor: RandomTensor): number {
  return tensor.shape.reduce((product, size) => product * size, 1);
}

const uniform = (name: string, shape: readonly number[], bound: number): RandomTensor => ({
  name,
  shape,
  fill: { kind: "uniform", bound },
});

/** Bound of a linear layer: 1 / √inputs. */
const linear = (name: string, rows: number, columns: number): RandomTensor =>
  uniform(`${name}.weight`, [rows, columns], columns ** -0.5);

/**
 * What a layer adds to the residual stream, over √layers as state-spaces has it; but tenfold, so that the layers and not
 * the token's own embedding make the logits, as in a trained model. Else a tied head would repeat the last token for ever.
 */
const outProjection = (name: string, { hidden, layers }: PublishedShape, inner: number): RandomTensor =>
  uniform(`${name}.weight`, [hidden, inner], 10 * (inner * layers) ** -0.5);

const ones = (name: string, ...shape: number[]): RandomTensor => ({
  name,
  shape,
  fill: { kind: "constant", value: 1 },
});

const embedding = (name: string, { vocabulary, hidden }: PublishedShape): RandomTensor =>
  uniform(`${name}.weight`, [vocabulary, hidden], 0.035);

function mambaTensors(shape: PublishedShape): RandomTensor[] {
  const { hidden, layers, vocabulary } = shape;
  const inner = innerOf(shape);
  const rank = dtRankOf(shape);
  const layer = (index: number): RandomTensor[] => {
    const mixer = `backbone.layers.${index}.mixer`;
    return [
      ones(`backbone.layers.${index}.norm.weight`, hidden),
      linear(`${mixer}.in_proj`, 2 * inner, hidden),
      uniform(`${mixer}.conv1d.weight`, [inner, 1, taps], taps ** -0.5),
      uniform(`${mixer}.conv1d.bias`, [inner], taps ** -0.5),
      linear(`${mixer}.x_proj`, rank + 2 * states, inner),
      linear(`${mixer}.dt_proj`, inner, rank),
      { name: `${mixer}.dt_proj.bias`, shape: [inner], fill: { kind: "dtBias" } },
      { name: `${mixer}.A_log`, shape: [inner, states], fill: { kind: "logStates" } },
      ones(`${mixer}.D`, inner),
      outProjection(`${mixer}.out_proj`, shape, inner),
    ];
  };
  return [
    embedding("backbone.embeddings", shape),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    ones("backbone.norm_f.weight", hidden),
    // The released Falcon-Mamba is the one with a head of its own.
    ...(shape.family === "falcon_mamba" ? [linear("lm_head", vocabulary, hidden)] : []),
  ];
}

function zambaTensors(shape: Extract<PublishedShape, { family: "zamba" }>): RandomTensor[] {
  const { hidden, layers, mambaHeads: heads } = shape;
  const inner = innerOf(shape);
  const rank = dtRankOf(shape);
  const headWidth = inner / heads;
  const mamba = (prefix: string): RandomTensor[] => {
    const mixer = `${prefix}.mamba`;
    return [
      ones(`${prefix}.input_layernorm.weight`, hidden),
      linear(`${mixer}.in_proj`, 2 * inner, hidden),
      uniform(`${mixer}.conv1d.weight`, [inner, 1, taps], taps ** -0.5),
      uniform(`${mixer}.conv1d.bias`, [inner], taps ** -0.5),
      uniform(`${mixer}.x_proj_weight`, [heads, rank + 2 * states, headWidth], headWidth ** -0.5),
      uniform(`${mixer}.dt_proj_weight`, [heads, headWidth, rank], rank ** -0.5),
      { name: `${mixer}.dt_proj_bias`, shape: [heads, headWidth], fill: { kind: "dtBias" } },
      { name: `${mixer}.A_log`, shape: [heads, headWidth, states], fill: { kind: "logStates" } },
      ones(`${mixer}.D`, heads, headWidth),
      outProjection(`${mixer}.out_proj`, shape, inner),
    ];
  };
  // One set of weights for all hybrid layers, stored with the first.
  const shared = (prefix: string): RandomTensor[] => {
    const [attention, mlp] = [`${prefix}.self_attn`, `${prefix}.feed_forward`];
    const width = 2 * hidden;
    return [
      ones(`${prefix}.input_layernorm.weight`, width),
      ...["q_proj", "k_proj", "v_proj"].map((name) => linear(`${attention}.${name}`, inner, width)),
      linear(`${attention}.o_proj`, hidden, inner),
      ones(`${prefix}.pre_ff_layernorm.weight`, hidden),
      linear(`${mlp}.gate_proj`, mlpWidthOf(shape), hidden),
      linear(`${mlp}.up_proj`, mlpWidthOf(shape), hidden),
      linear(`${mlp}.down_proj`, hidden, mlpWidthOf(shape)),
    ];
  };
  const layer = (index: number): RandomTensor[] => {
    const prefix = `model.layers.${index}`;
    if (!isHybrid(index)) return mamba(prefix);
    const first = index === 2 ? shared(`${prefix}.shared_transf`) : [];
    return [...first, linear(`${prefix}.linear`, hidden, hidden), ...mamba(`${prefix}.mamba_decoder`)];
  };
  return [
    embedding("model.embed_tokens", shape),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    ones("model.final_layernorm.weight", hidden),
  ];
}

/** Width of Zamba's MLP. */
export const mlpWidthOf = ({ hidden }: PublishedShape): number => 4 * hidden;
