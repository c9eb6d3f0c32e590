/** Loads a checkpoint directory into the engine: read and check the headers, plan, map, pack each rank's slices. */

import { addon } from "../addon";
import { openCheckpoint, refuseChanges } from "../checkpoint/checkpoint";
import type { JsonObject } from "../checkpoint/json";
import { aborted, CheckpointError, DeviceError, native, StatelineError } from "../errors";
import type { ComputeType, NativeEngine } from "../native";
import {
  abortSignal,
  callback,
  checkOptions,
  flag,
  integer,
  integers,
  nonEmptyText,
  oneOf,
  invalid,
  shown,
  type Rules,
} from "../options";
import { engineSpec } from "../plan/engine-spec";
import { planShards, type ShardPlan } from "../plan/plan";
import { cellProgress, type Progress } from "../progress";
import { loadTokenizer, readStopTokens } from "../text/tokenizer";
import { defaultThreads } from "../threads";
import { allReduceRule, chooseAllReduce, tuneAllReduce, type AllReduceOption } from "./all-reduce";
import { chooseCache } from "./cache";
import { cancellable, newJob } from "./jobs";
import { Model } from "./model";

export interface LoadOptions {
  /** Ranks that the model is split over; must divide d_inner. 1 unless given. */
  readonly tensorParallel?: number;
  /** "auto", the default: cuda where `gpus` are named, else cpu, since the kernels have been run on no GPU yet. */
  readonly device?: "auto" | "cpu" | "cuda";
  /** GPU of each rank; naming one twice shares it: `[0, 0]`. A GPU a rank unless given. */
  readonly gpus?: readonly number[];
  /**
   * How sums travel between GPUs: read from each other's memory or by NCCL. "auto", the default: by NCCL where the GPUs cannot read each
   * other's memory.
   */
  readonly gpuLink?: "auto" | "peer" | "nccl";
  /**
   * "auto", the default: bf16 where the matrices are stored so, on cuda f16 likewise, else f32. int8, on the cpu, quantises all
   * matrices while they are loaded, and the activations of each token, in groups of 128 along a row.
   */
  readonly computeType?: "auto" | "f32" | "bf16" | "f16" | "int8";
  readonly allReduce?: AllReduceOption;
  /** Compute half of in_proj while x_proj's AllReduce is in flight. False only compares: the numbers are the same. */
  readonly overlap?: boolean;
  /** Threads that share a rank's work; the machine's cores over the ranks unless given. */
  readonly threadsPerRank?: number;
  /** Most tokens a step: longer prompts are prefilled in chunks of this many. 512 unless given. */
  readonly maxTokens?: number;
  /** Most sequences computed side by side, each with a state in memory; further ones wait. 16 unless given. */
  readonly maxSequences?: number;
  /** Most tokens of a sequence in a model with attention; the config's max_position_embeddings unless given. */
  readonly contextLength?: number;
  /** Most bytes of states kept for later prompts that begin alike; 0: none. Unless given 1/16 of the memory, at most 1 GiB. */
  readonly cacheBytes?: number;
  /** Compare all ranks' bits after each AllReduce, to find faults; slow. */
  readonly verifyCollectives?: boolean;
  /**
   * Milliseconds that a rank waits in a collective for the others, then the job fails with `E_COLLECTIVE_TIMEOUT` and the ranks that
   * did not come; likewise that it waits for its GPU. Ten minutes unless given.
   */
  readonly collectiveTimeoutMs?: number;
  /** Ends the loading; the call rejects with AbortedError. */
  readonly signal?: AbortSignal;
  /** Bytes of weights in place and in all. */
  readonly onProgress?: (progress: Progress) => void;
}

/** Ranks are threads of one process: of a group of the engine (InProcessGroup::kMaxRanks). */
export const MOST_RANKS = 64;

const rules: Rules<LoadOptions> = {
  tensorParallel: integer(1, MOST_RANKS),
  device: oneOf("auto", "cpu", "cuda"),
  gpus: integers(0, 255),
  gpuLink: oneOf("auto", "peer", "nccl"),
  computeType: oneOf("auto", "f32", "bf16", "f16", "int8"),
  allReduce: allReduceRule,
  overlap: flag,
  threadsPerRank: integer(1, 1024),
  maxTokens: integer(1, 65536),
  maxSequences: integer(1, 65536),
  contextLength: integer(1, 2 ** 24),
  cacheBytes: integer(0),
  verifyCollectives: flag,
  collectiveTimeoutMs: integer(1, 2 ** 31),
  signal: abortSignal,
  onProgress: callback<(progress: Progress) => void>(),
};

/**
 * Loads a model.
 *
 * @throws OptionError, CheckpointError, ShardError, DeviceError; AbortedError `E_ABORTED`
 * @example
 * const model = await loadModel("models/tiny-mamba", { tensorParallel: 2, allReduce: "int8" });
 */
export async function loadModel(directory: string, options?: LoadOptions): Promise<Model> {
  if (!nonEmptyText.accepts(directory)) invalid("directory", nonEmptyText.expected, directory);
  const checked = checkOptions("loadModel", options, rules);
  const { tensorParallel = 1, allReduce = "auto", maxTokens = 512, verifyCollectives = false, signal } = checked;
  if (signal?.aborted) throw aborted("loadModel", signal);
  const begin = performance.now();
  const checkpoint = await openCheckpoint(directory);
  const planned = planShards(checkpoint, tensorParallel, chooseAllReduce(allReduce, tensorParallel));
  const tokenizer = await loadTokenizer(checkpoint.directory);
  const { vocabulary } = planned.config;
  if (tokenizer && tokenizer.size > vocabulary) {
    throw new CheckpointError(
      "E_TOKENIZER_SIZE",
      `${checkpoint.directory}/tokenizer.json has ids up to ${tokenizer.size - 1}, the embedding ${vocabulary} rows`,
      { tokenizerSize: tokenizer.size, vocabulary },
    );
  }
  const gpus = checked.gpus ?? [];
  const device = chooseDevice(checked.device ?? "auto", gpus, tensorParallel);
  const threadsPerRank = checked.threadsPerRank ?? defaultThreads(tensorParallel);
  const computeType = chooseComputeType(checked.computeType ?? "auto", planned, device);
  const tuning = { tensorParallel, threadsPerRank, computeType, ...(signal && { signal }) };
  // What is measured is the CPU's AllReduce.
  const plan = device === "cuda" ? planned : { ...planned, allReduce: await tuneAllReduce(allReduce, tuning) };
  const settings = {
    device,
    gpus,
    gpuLink: checked.gpuLink ?? ("auto" as const),
    threadsPerRank,
    computeType,
    wires: plan.allReduce.wires,
    quantisationGroup: plan.allReduce.group,
    overlap: checked.overlap ?? true,
    maxTokens,
    contextLength: checked.contextLength ?? contextLengthOf(checkpoint.config),
    slots: Math.min(checked.maxSequences ?? 16, maxTokens),
    ...chooseCache(checked.cacheBytes, plan.config),
    verifyCollectives,
    collectiveTimeoutMs: checked.collectiveTimeoutMs ?? 600_000,
  };
  const stopTokens = await readStopTokens(checkpoint.directory, checkpoint.config, tokenizer);
  const engine = await loadEngine(plan, settings, checked.signal, checked.onProgress).catch((error: unknown) => {
    throw namedByPlan(error, plan);
  });
  await refuseChanges(checkpoint).catch(async (error: unknown) => {
    await native(() => engine.close());
    throw error;
  });
  return new Model({ engine, plan, tokenizer, stopTokens, settings, device, loadMs: performance.now() - begin });
}

/** The engine knows a tensor by its role; the caller by its file and its name there. */
function namedByPlan(error: unknown, { tensors, files }: ShardPlan): unknown {
  if (!(error instanceof StatelineError) || error.code !== "E_TENSOR_VALUE") return error;
  const { role, layer, index, value } = error.details;
  const tensor = tensors.find((one) => one.layer === Number(layer) && one.roles.some((name) => name === role));
  const file = files[tensor?.file ?? -1];
  if (!tensor || file === undefined) return error;
  const { name, shape } = tensor;
  return new CheckpointError(
    "E_TENSOR_VALUE",
    `${file}: ${name} has ${String(value)} at index ${String(index)} of [${shape.join(", ")}]; weights must be finite numbers`,
    { file, tensor: name, index: Number(index), value },
    { cause: error },
  );
}

/** Room that is reserved for keys and values takes memory only once it is used. */
function contextLengthOf(config: JsonObject): number {
  const positions = config["max_position_embeddings"];
  return Number.isInteger(positions) && Number(positions) > 0 ? Math.min(Number(positions), 2 ** 24) : 4096;
}

async function loadEngine(
  plan: ShardPlan,
  settings: Parameters<typeof engineSpec>[1],
  signal: AbortSignal | undefined,
  onProgress: ((progress: Progress) => void) | undefined,
): Promise<NativeEngine> {
  const { job } = newJob();
  const view = onProgress ? undefined : cellProgress(`loading ${plan.model}`);
  const report = (done: number, total: number): void => {
    onProgress?.({ done, total });
    view?.update({ done, total });
  };
  try {
    const load = (): Promise<NativeEngine> => native(() => addon().loadEngine(engineSpec(plan, settings), job, report));
    return await cancellable("loadModel", signal, () => addon().cancel(job), load);
  } finally {
    view?.end();
  }
}

/** @throws OptionError `E_OPTION_INVALID`; DeviceError `E_DEVICE_UNAVAILABLE` with what CUDA lacks here */
function chooseDevice(asked: "auto" | "cpu" | "cuda", gpus: readonly number[], ranks: number): "cpu" | "cuda" {
  if (gpus.length > 0) {
    if (asked === "cpu") invalid("gpus", "left out with device cpu", gpus);
    if (gpus.length !== ranks) invalid("gpus", `a GPU for each of the ${ranks} ranks`, gpus);
  } else if (asked !== "cuda") return "cpu";
  const { problem } = addon().cudaInfo();
  if (problem === "") return "cuda";
  throw new DeviceError("E_DEVICE_UNAVAILABLE", `device "cuda" is not available: ${problem}; available: cpu`, {
    device: "cuda",
    problem,
  });
}

/** @throws DeviceError `E_COMPUTE_TYPE` */
function chooseComputeType(
  asked: Exclude<LoadOptions["computeType"], undefined>,
  plan: ShardPlan,
  device: "cpu" | "cuda",
): ComputeType {
  const available: readonly ComputeType[] = device === "cuda" ? ["f32", "bf16", "f16"] : ["f32", "bf16", "int8"];
  if (asked === "auto") {
    const matrices = plan.tensors.filter(({ roles }) => roles[0] === "in_proj.x" || roles[0] === "out_proj");
    return available.find((type) => matrices.every(({ dtype }) => dtype === type.toUpperCase())) ?? "f32";
  }
  const known = available.find((type) => type === asked);
  if (known) return known;
  throw new DeviceError(
    "E_COMPUTE_TYPE",
    `computeType ${shown(asked)} is not available on ${device}; available: auto, ${available.join(", ")}`,
    { computeType: asked, device },
  );
}
