/** Where a step's time goes on this CPU, op by op, and how near each op is to what the machine could do. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { formatRate, formatShare, formatTime } from "../../../profiler-ui/trace/format";
import { median } from "../../../profiler-ui/trace/quantiles";
import { addon } from "../addon";
import { drawable } from "../display";
import { htmlTable, textTable, type Table } from "../draw/table";
import { native } from "../errors";
import { samplingRules, type SamplingOptions } from "../model/generation";
import { cancellable, newJob } from "../model/jobs";
import { Model } from "../model/model";
import type { CpuComputeType, Floors } from "../native";
import { abortSignal, callback, checkOptions, integer, invalid, type Rules } from "../options";
import { cellProgress, type Progress } from "../progress";
import { recorded } from "../runs/profile";
import { provenance, type Provenance } from "./provenance";
import { opSamples, opTimes, type OpSample, type OpTime, type Workload } from "./op-times";

/** Sampling, where it is asked for, is measured beside the likeliest token's decode, in the same rounds. */
export interface CpuBenchOptions extends SamplingOptions {
  /** Each measures the floors and every workload; medians count. 5 unless given. */
  readonly rounds?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** Ops beside the floors of the machine they ran on, measured in the same rounds. */
export interface CpuBench extends Provenance {
  readonly model: string;
  readonly computeType: CpuComputeType;
  readonly ranks: number;
  readonly threadsPerRank: number;
  readonly rounds: number;
  readonly floors: Floors;
  /** By workload, then largest first. */
  readonly ops: readonly OpTime[];
}

const rules: Rules<CpuBenchOptions> = {
  ...samplingRules,
  rounds: integer(1, 1000),
  signal: abortSignal,
  onProgress: callback(),
};

/**
 * Measures every op of decode, of decode in a batch and of prefill, and what the machine can do at best.
 *
 * @throws OptionError; RunError `E_RECORDING`; AbortedError `E_ABORTED`
 * @example
 * await using model = await loadModel("models/tiny-mamba");
 * await benchCpu(model, { rounds: 3, temperature: 1, topP: 0.9 });
 */
export async function benchCpu(model: Model, options?: CpuBenchOptions): Promise<CpuBench> {
  if (!(model instanceof Model)) invalid("model", "a loaded model", model);
  const { rounds = 5, signal, onProgress, ...sampling } = checkOptions("benchCpu", options, rules);
  const { computeType, threadsPerRank } = model.settings;
  if (model.device !== "cpu" || computeType === "f16") invalid("model", "a model on the CPU", `one on ${model.device}`);
  const { layers, inner, states } = model.config;
  const ranks = model.plan.tensorParallel;
  const workloads = workloadsOf(model, sampling);
  const samples = workloads.map((): OpSample[] => []);
  const measured: Floors[] = [];
  const view = onProgress ? undefined : cellProgress(`measuring ${model.name}`);
  const progress = onProgress ?? ((state: Progress): void => view?.update(state));
  const scratch = await mkdtemp(join(tmpdir(), "stateline-bench-"));
  try {
    for (const workload of workloads) await generate(model, workload, workload.newTokens, signal); // touches buffers
    for (let round = 0; round < rounds; round++) {
      measured.push(await measureFloors(ranks * threadsPerRank, signal));
      for (const [i, workload] of workloads.entries()) {
        samples[i]?.push(...(await measureSteps(model, workload, scratch, signal)));
        progress({ done: round * workloads.length + i + 1, total: rounds * workloads.length });
      }
    }
  } finally {
    view?.end();
    await rm(scratch, { recursive: true, force: true });
  }
  const floors = medians(measured);
  const against = { floors, computeType, statesPerToken: layers * inner * states };
  const bench: CpuBench = {
    ...provenance(),
    model: model.name,
    ...{ computeType, ranks, threadsPerRank, rounds, floors },
    ops: workloads.flatMap(({ name }, i) => opTimes(name, samples[i] ?? [], against)),
  };
  return drawable(bench, () => {
    const tables = [floorsTable(bench), opsTable(bench)];
    return { "text/plain": tables.map(textTable).join("\n\n"), "text/html": tables.map(htmlTable).join("") };
  });
}

interface Generation extends Workload {
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly sampling?: SamplingOptions;
}

function workloadsOf({ config, settings }: Model, sampling: SamplingOptions): Generation[] {
  const { slots, maxTokens, contextLength } = settings;
  const promptTokens = Math.min(512, maxTokens, config.hybrid ? contextLength - 1 : Infinity);
  const decode = { phase: "decode", promptTokens: 1 } as const;
  const { temperature = 0, repetitionPenalty = 1, logprobs } = sampling;
  const samples = temperature > 0 || repetitionPenalty !== 1 || logprobs !== undefined;
  return [
    ...[1, ...(slots > 1 ? [slots] : [])].flatMap((sequences): Generation[] => {
      const name = sequences === 1 ? "decode" : `decode, ${sequences} together`;
      const greedy = { ...decode, name, sequences, newTokens: sequences === 1 ? 33 : 9 };
      return samples ? [greedy, { ...greedy, name: `${name}, sampling`, sampling }] : [greedy];
    }),
    { phase: "prefill", name: `prefill ${promptTokens}`, sequences: 1, promptTokens, newTokens: 1 },
  ];
}

/** Requests that come together may miss one another on a busy machine: then they are asked for more tokens. */
async function measureSteps(
  model: Model,
  workload: Generation,
  runs: string,
  signal: AbortSignal | undefined,
): Promise<OpSample[]> {
  for (let tokens = workload.newTokens; tokens < 10_000; tokens *= 4) {
    const { run } = await recorded(() => generate(model, workload, tokens, signal), { runs });
    const samples = opSamples(workload, await run.events());
    if (samples.length > 0) return samples;
  }
  return [];
}

async function generate(
  model: Model,
  { sequences, promptTokens, sampling }: Generation,
  maxNewTokens: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const prompts = Array.from({ length: sequences }, (_, sequence) =>
    Array.from({ length: promptTokens }, (_, i) => ((i + sequence) * 7919) % model.config.vocabulary),
  );
  const quiet = { ...sampling, stopTokens: [], cache: false, onToken: () => undefined };
  await model.generate(prompts, { ...quiet, maxNewTokens, ...(signal && { signal }) });
}

function measureFloors(threads: number, signal: AbortSignal | undefined): Promise<Floors> {
  const { job } = newJob();
  const measure = (): Promise<Floors> => native(() => addon().measureFloors(threads, job));
  return cancellable("measuring this machine", signal, () => addon().cancel(job), measure);
}

function medians(floors: readonly Floors[]): Floors {
  const of = (pick: (one: Floors) => number): number => median(floors.map(pick));
  return {
    readBytesPerSecond: of((one) => one.readBytesPerSecond),
    flopsPerSecond: {
      f32: of((one) => one.flopsPerSecond.f32),
      bf16: of((one) => one.flopsPerSecond.bf16),
      int8: of((one) => one.flopsPerSecond.int8),
    },
    statesPerSecond: of((one) => one.statesPerSecond),
  };
}

function floorsTable({ machine, isa, model, computeType, ranks, threadsPerRank, floors }: CpuBench): Table {
  const { readBytesPerSecond, flopsPerSecond, statesPerSecond } = floors;
  return {
    title: `${model}, ${computeType} with ${isa} on ${machine}, ranks × threads ${ranks} × ${threadsPerRank}`,
    columns: [{ title: "this machine at best" }, { title: "rate", align: "right" }],
    rows: [
      ["read memory", formatRate(readBytesPerSecond, "B/s")],
      ...Object.entries(flopsPerSecond).map(([type, rate]) => [`${type} products`, formatRate(rate, "FLOP/s")]),
      ["scan", formatRate(statesPerSecond, "states/s")],
    ],
  };
}

function opsTable({ ops }: CpuBench): Table {
  return {
    columns: [
      { title: "workload" },
      { title: "op" },
      { title: "time in a step", align: "right" },
      { title: "of", align: "right" },
      { title: "share", align: "right" },
      { title: "floor", align: "right" },
      { title: "bound by" },
      { title: "reached", align: "right" },
    ],
    rows: ops.map(({ workload, op, timeNs, stepNs, share, floorNs, bound, reached }) => [
      workload,
      op,
      formatTime(timeNs),
      formatTime(stepNs),
      formatShare(share),
      ...(floorNs > 0 ? [formatTime(floorNs), bound, formatShare(reached)] : ["–", "–", "–"]),
    ]),
    note: "floor: all bytes from memory, or all arithmetic from registers, whichever takes longer; over 100 % where a cache holds what is read",
  };
}
