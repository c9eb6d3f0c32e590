/** Writes checkpoints with random weights of a published shape: what they compute means nothing, how fast they do it does. */

import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StatelineError } from "../../../profiler-ui/trace/errors";
import { Generator } from "./generator";
import { shapeLike, type MambaShape } from "./shapes";

export type StoredType = "f32" | "bf16";

export interface MakeModelOptions {
  /** Published shape, such as "mamba-130m". */
  readonly like: string;
  /** Directory to write; made when missing. */
  readonly out: string;
  /** Instead of the shape's own number of layers. */
  readonly layers?: number;
  /** Any integer 0 ≤ seed < 2^53. The same seed gives the same bytes. Default 0. */
  readonly seed?: number;
  /** Of the matrices and vectors. Default bf16. */
  readonly dtype?: StoredType;
  readonly signal?: AbortSignal;
  /** Bytes written and in all. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** What fills a tensor. Scales follow state-spaces' initialisation, so that activations stay in a sane range. */
type Fill =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "logStates" }
  | { readonly kind: "dtBias" };

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly fill: Fill;
}

const states = 16;
const taps = 4;
/** Values made between two writes, each of which lets the event loop run. */
const blockValues = 1 << 20;

function tensorsOf({ hidden, layers, vocabulary }: MambaShape): Tensor[] {
  const inner = 2 * hidden;
  const rank = Math.ceil(hidden / 16);
  const linear = (name: string, rows: number, columns: number, bound: number): Tensor => ({
    name: `${name}.weight`,
    shape: [rows, columns],
    fill: { kind: "uniform", bound },
  });
  const ones = (name: string, size: number): Tensor => ({ name, shape: [size], fill: { kind: "constant", value: 1 } });
  const layer = (index: number): Tensor[] => {
    const mixer = `backbone.layers.${index}.mixer`;
    return [
      ones(`backbone.layers.${index}.norm.weight`, hidden),
      linear(`${mixer}.in_proj`, 2 * inner, hidden, hidden ** -0.5),
      { name: `${mixer}.conv1d.weight`, shape: [inner, 1, taps], fill: { kind: "uniform", bound: taps ** -0.5 } },
      { name: `${mixer}.conv1d.bias`, shape: [inner], fill: { kind: "uniform", bound: taps ** -0.5 } },
      linear(`${mixer}.x_proj`, rank + 2 * states, inner, inner ** -0.5),
      linear(`${mixer}.dt_proj`, inner, rank, rank ** -0.5),
      { name: `${mixer}.dt_proj.bias`, shape: [inner], fill: { kind: "dtBias" } },
      { name: `${mixer}.A_log`, shape: [inner, states], fill: { kind: "logStates" } },
      ones(`${mixer}.D`, inner),
      linear(`${mixer}.out_proj`, hidden, inner, (inner * layers) ** -0.5),
    ];
  };
  return [
    linear("backbone.embeddings", vocabulary, hidden, 0.035),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    ones("backbone.norm_f.weight", hidden),
  ];
}

const sizeOf = (tensor: Tensor): number => tensor.shape.reduce((product, size) => product * size, 1);

/** Values [begin, begin + out.length) of a tensor; `generator` is asked in order. */
function fillBlock(tensor: Tensor, begin: number, out: Float32Array, generator: Generator): void {
  const { fill } = tensor;
  switch (fill.kind) {
    case "constant":
      out.fill(fill.value);
      return;
    case "uniform":
      generator.fill(out, -fill.bound, fill.bound);
      return;
    case "logStates":
      for (let index = 0; index < out.length; ++index) out[index] = Math.log(((begin + index) % states) + 1);
      return;
    case "dtBias":
      // softplus(bias) is log-uniform in 0.001 … 0.1, as state-spaces' mamba_simple.py sets it.
      generator.fill(out, Math.log(0.001), Math.log(0.1));
      for (let index = 0; index < out.length; ++index) {
        const dt = Math.exp(out[index] ?? 0);
        out[index] = dt + Math.log(-Math.expm1(-dt));
      }
      return;
  }
}

/** Rounds to the nearest bf16, ties to even, in place of the low half of `out`'s buffer. */
function roundToBf16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const rounded = new Uint16Array(values.length);
  for (let index = 0; index < bits.length; ++index) {
    const word = bits[index] ?? 0;
    rounded[index] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return rounded;
}

function headerOf(tensors: readonly Tensor[], dtype: StoredType): Buffer {
  const width = dtype === "f32" ? 4 : 2;
  let offset = 0;
  const entries = tensors.map((tensor) => {
    const begin = offset;
    offset += sizeOf(tensor) * width;
    return [tensor.name, { dtype: dtype.toUpperCase(), shape: tensor.shape, data_offsets: [begin, offset] }] as const;
  });
  const text = JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) });
  // Tensor data begin at a multiple of 8.
  const padded = text + " ".repeat((8 - (text.length % 8)) % 8);
  const header = Buffer.alloc(8 + padded.length);
  header.writeBigUInt64LE(BigInt(padded.length));
  header.write(padded, 8);
  return header;
}

const configOf = (shape: MambaShape, dtype: StoredType): object => ({
  architectures: ["MambaForCausalLM"],
  model_type: "mamba",
  hidden_size: shape.hidden,
  intermediate_size: 2 * shape.hidden,
  num_hidden_layers: shape.layers,
  state_size: states,
  conv_kernel: taps,
  expand: 2,
  time_step_rank: Math.ceil(shape.hidden / 16),
  vocab_size: shape.vocabulary,
  layer_norm_epsilon: 1e-5,
  use_bias: false,
  use_conv_bias: true,
  residual_in_fp32: true,
  tie_word_embeddings: true,
  torch_dtype: dtype === "f32" ? "float32" : "bfloat16",
});

async function writeWeights(
  path: string,
  shape: MambaShape,
  dtype: StoredType,
  options: MakeModelOptions,
): Promise<void> {
  const tensors = tensorsOf(shape);
  const width = dtype === "f32" ? 4 : 2;
  const total = tensors.reduce((sum, tensor) => sum + sizeOf(tensor) * width, 0);
  const generator = new Generator(options.seed ?? 0);
  const file = await open(path, "w");
  try {
    await file.write(headerOf(tensors, dtype));
    let done = 0;
    for (const tensor of tensors) {
      const size = sizeOf(tensor);
      for (let begin = 0; begin < size; begin += blockValues) {
        options.signal?.throwIfAborted();
        const block = new Float32Array(Math.min(blockValues, size - begin));
        fillBlock(tensor, begin, block, generator);
        const stored = dtype === "f32" ? block : roundToBf16(block);
        await file.write(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
        done += stored.byteLength;
        options.onProgress?.({ done, total });
      }
    }
  } finally {
    await file.close();
  }
}

/**
 * Writes config.json and model.safetensors of a random model; the weights appear under their name only when whole.
 *
 * @throws StatelineError `E_UNKNOWN_SHAPE`, `E_OPTION`; the signal's reason when aborted.
 * @example
 * await makeModel({ like: "mamba-130m", layers: 2, out: "models/random" });
 */
export async function makeModel(options: MakeModelOptions): Promise<void> {
  const like = shapeLike(options.like);
  const layers = options.layers ?? like.layers;
  if (!Number.isInteger(layers) || layers < 1) {
    throw new StatelineError("E_OPTION", `layers must be a whole number from 1, got ${layers}`, { layers });
  }
  const shape = { ...like, layers };
  const dtype = options.dtype ?? "bf16";
  await mkdir(options.out, { recursive: true });
  const weights = join(options.out, "model.safetensors");
  const partial = `${weights}.partial`;
  try {
    await writeWeights(partial, shape, dtype, options);
    await rename(partial, weights);
  } finally {
    await rm(partial, { force: true });
  }
  await writeFile(join(options.out, "config.json"), `${JSON.stringify(configOf(shape, dtype), null, 2)}\n`);
}
