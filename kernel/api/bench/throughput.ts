/** Throughput of requests that come as a batch, over context length, batch, ranks and wire type: the figure of arXiv 2602.21144. */

import { formatBytes, formatNumber, formatTime } from "../../../profiler-ui/trace/format";
import { median } from "../../../profiler-ui/trace/quantiles";
import { drawable } from "../display";
import { htmlTable, textTable, type Table } from "../draw/table";
import { AbortedError } from "../errors";
import { loadModel, MOST_RANKS, type LoadOptions } from "../model/load";
import type { Model } from "../model/model";
import type { ComputeType } from "../native";
import { abortSignal, callback, checkOptions, integer, invalid, listOf, oneOf, type Rules } from "../options";
import { cellProgress, type Progress } from "../progress";
import { defaultThreads } from "../threads";
import { provenance, type Provenance } from "./provenance";
import { setupText, type ThroughputSetup, type WireOption } from "./setup";

export interface ThroughputBenchOptions {
  /** Tokens of each prompt; 128, 512 and 2048 unless given. */
  readonly contexts?: readonly number[];
  /** Requests that come together; 1 and 8 unless given. */
  readonly batches?: readonly number[];
  /** Ranks; 1 and 2 unless given. */
  readonly ranks?: readonly number[];
  /** What the sums after out_proj carry; f16 and int8 unless given. One rank sends nothing and is measured once. */
  readonly wires?: readonly WireOption[];
  /** Tokens that each request generates; 32 unless given. */
  readonly newTokens?: number;
  /** Timings of each; the median counts. 5 unless given. */
  readonly rounds?: number;
  /** Of every rank, at every number of them: a rank stands for a device. The cores over the most ranks unless given. */
  readonly threadsPerRank?: number;
  readonly computeType?: Exclude<LoadOptions["computeType"], undefined>;
  readonly signal?: AbortSignal;
  /** Tokens computed and in all. */
  readonly onProgress?: (progress: Progress) => void;
}

/** A batch in a set-up. Times are medians of the rounds. */
export interface ThroughputPoint extends ThroughputSetup {
  /** Tokens of each prompt. */
  readonly context: number;
  /** Requests. */
  readonly batch: number;
  /** From the call to the last request's last token. */
  readonly seconds: number;
  /** Of prompts and answers, a second. */
  readonly tokensPerSecond: number;
  /** Of answers, a second of the whole time. */
  readonly newTokensPerSecond: number;
  /** To the first token of the request that gets its last. */
  readonly ttftMs: number;
  /** Sent by all ranks together. */
  readonly wireBytes: number;
  /** Time of the first set-up over this one's, as the median of the rounds' ratios. */
  readonly speedUp: number;
}

/** What `stateline bench throughput --json` prints. */
export interface ThroughputBench extends Provenance {
  readonly model: string;
  readonly computeType: ComputeType;
  readonly threadsPerRank: number;
  readonly newTokens: number;
  readonly rounds: number;
  /** By context, then batch, then ranks and wire, in the order of the options. */
  readonly points: readonly ThroughputPoint[];
}

const rules: Rules<ThroughputBenchOptions> = {
  contexts: listOf(integer(1, 2 ** 22)),
  batches: listOf(integer(1, 1024)),
  ranks: listOf(integer(1, MOST_RANKS)),
  wires: listOf(oneOf("auto", "f32", "f16", "bf16", "int8")),
  newTokens: integer(1, 2 ** 20),
  rounds: integer(1, 1000),
  threadsPerRank: integer(1, 1024),
  computeType: oneOf("auto", "f32", "bf16", "f16", "int8"),
  signal: abortSignal,
  onProgress: callback<(progress: Progress) => void>(),
};

/**
 * Measures how many tokens a second a model computes for requests that come as a batch. All set-ups stay loaded and take
 * turns in every round, so that a slow minute of the machine meets all of them.
 *
 * @throws OptionError; what `loadModel` throws, such as ShardError `E_TP_INDIVISIBLE`; AbortedError `E_ABORTED`
 * @example
 * await benchThroughput("models/tiny-mamba", { contexts: [64, 256], batches: [4], newTokens: 8 });
 */
export async function benchThroughput(directory: string, options?: ThroughputBenchOptions): Promise<ThroughputBench> {
  const checked = checkOptions("benchThroughput", options, rules);
  const { contexts = [128, 512, 2048], batches = [1, 8], ranks = [1, 2], wires = ["f16", "int8"] } = checked;
  const { newTokens = 32, rounds = 5, computeType = "auto", signal } = checked;
  const threadsPerRank = checked.threadsPerRank ?? defaultThreads(Math.max(...ranks));
  const setups = setupsOf(ranks, wires);
  const loads = contexts.flatMap((context) => batches.map((batch) => ({ context, batch, newTokens })));
  const slots = Math.max(...batches);
  const shared: LoadOptions = {
    ...{ threadsPerRank, computeType, maxSequences: slots, maxTokens: Math.max(512, slots), cacheBytes: 0 },
    contextLength: Math.max(...contexts) + newTokens,
    ...(signal && { signal }),
  };

  const view = checked.onProgress ? undefined : cellProgress("measuring throughput");
  const report = checked.onProgress ?? ((progress) => view?.update(progress));
  const total = rounds * setups.length * loads.reduce((sum, load) => sum + tokensOf(load), 0);
  let done = 0;
  const models: Model[] = [];
  try {
    for (const setup of setups) models.push(await load(directory, setup, shared));
    const [first] = models;
    if (!first) invalid("ranks", rules.ranks.expected, ranks);
    // The first requests touch the weights and wake the ranks.
    for (const model of models) await time(model, { context: 1, batch: slots, newTokens: 2 }, signal);
    const timings = loads.map(() => setups.map((): Timing[] => []));
    for (let round = 0; round < rounds; round++) {
      for (const [at, one] of loads.entries()) {
        const turns = [...models.entries()];
        for (const [index, model] of round % 2 === 0 ? turns : turns.reverse()) {
          timings[at]?.[index]?.push(await time(model, one, signal));
          report({ done: (done += tokensOf(one)), total });
        }
      }
    }
    const points = loads.flatMap((one, at) => pointsOf(one, setups, timings[at] ?? []));
    const { computeType: type } = first.settings;
    const settings = { computeType: type, threadsPerRank, newTokens, rounds };
    const bench = { ...provenance(), model: first.name, ...settings, points };
    const table = throughputTable(bench);
    return drawable(bench, () => ({ "text/plain": textTable(table), "text/html": htmlTable(table) }));
  } catch (error) {
    throw error instanceof AbortedError
      ? new AbortedError(error.code, "benchThroughput was aborted", {}, { cause: error.cause })
      : error;
  } finally {
    view?.end();
    for (const model of models) await model.close();
  }
}

function setupsOf(ranks: readonly number[], wires: readonly WireOption[]): ThroughputSetup[] {
  return ranks.flatMap((count): ThroughputSetup[] =>
    count === 1 ? [{ ranks: 1, wireType: null }] : wires.map((wireType) => ({ ranks: count, wireType })),
  );
}

function load(directory: string, { ranks, wireType }: ThroughputSetup, shared: LoadOptions): Promise<Model> {
  return loadModel(directory, { ...shared, tensorParallel: ranks, ...(wireType && { allReduce: wireType }) });
}

/** Requests that come together. */
interface Load {
  readonly context: number;
  readonly batch: number;
  readonly newTokens: number;
}

interface Timing {
  readonly seconds: number;
  readonly ttftMs: number;
  readonly wireBytes: number;
}

const tokensOf = ({ context, batch, newTokens }: Load): number => batch * (context + newTokens);

async function time(model: Model, { context, batch, newTokens }: Load, signal?: AbortSignal): Promise<Timing> {
  const { vocabulary } = model.config;
  const prompts = Array.from({ length: batch }, (_, request) =>
    Array.from({ length: context }, (_, position) => ((position + 1) * (7919 + 2 * request)) % vocabulary),
  );
  const options = { maxNewTokens: newTokens, stopTokens: [], onToken: () => undefined, ...(signal && { signal }) };
  const begin = performance.now();
  const answers = await model.generate(prompts, options);
  return {
    seconds: (performance.now() - begin) / 1000,
    ttftMs: Math.max(...answers.map(({ ttftMs }) => ttftMs)),
    wireBytes: answers.reduce((sum, { wireBytes }) => sum + wireBytes, 0),
  };
}

/** `timings`: of each set-up, a round each. */
function pointsOf(load: Load, setups: readonly ThroughputSetup[], timings: readonly Timing[][]): ThroughputPoint[] {
  const { context, batch, newTokens } = load;
  return setups.map((setup, index) => {
    const own = timings[index] ?? [];
    const seconds = median(own.map((one) => one.seconds));
    return {
      ...{ context, batch, ...setup, seconds },
      tokensPerSecond: tokensOf(load) / seconds,
      newTokensPerSecond: (batch * newTokens) / seconds,
      ttftMs: median(own.map((one) => one.ttftMs)),
      wireBytes: median(own.map((one) => one.wireBytes)),
      speedUp: median(own.map((one, round) => (timings[0]?.[round]?.seconds ?? NaN) / one.seconds)),
    };
  });
}

function throughputTable(bench: ThroughputBench): Table {
  const { model, computeType, threadsPerRank, newTokens, points, rounds, machine, isa } = bench;
  const threads = threadsPerRank === 1 ? "1 thread" : `${threadsPerRank} threads`;
  const answers = newTokens === 1 ? "1 new token" : `${newTokens} new tokens`;
  const right = ["tokens/s", "new tokens/s", "first token", "sent", "speed-up"];
  const [baseline] = points;
  return {
    title: `${model}, ${computeType}, ${threads} a rank, ${answers} a request`,
    columns: [
      { title: "context", align: "right" },
      { title: "batch", align: "right" },
      { title: "ranks, wire" },
      ...right.map((title) => ({ title, align: "right" as const })),
    ],
    rows: points.map((point) => [
      String(point.context),
      String(point.batch),
      setupText(point),
      formatNumber(point.tokensPerSecond),
      formatNumber(point.newTokensPerSecond),
      formatTime(point.ttftMs * 1e6),
      formatBytes(point.wireBytes),
      `${formatNumber(point.speedUp)}×`,
    ]),
    ...(baseline && {
      note:
        `tokens/s counts prompts and answers; speed-up is over ${setupText(baseline)}; ` +
        `${rounds === 1 ? "one timing" : `median of ${rounds}`}, on ${machine} (${isa})`,
    }),
  };
}
