/**
 * Runs as the engine would record them: ranks in step, a Mamba layer's ops with the z projection under the first
 * AllReduce, collectives that wait for the slowest rank, int8 ones with their four parts inside.
 */

import type { RunData } from "../../../profiler-ui/trace/compare";
import type { EventColumns, Numbers } from "../../../profiler-ui/trace/events";
import type { RunInfo } from "../../../profiler-ui/trace/run";
import { eventsOf, type EventRow } from "./events";

export interface SyntheticOptions {
  readonly id?: string;
  readonly label?: string;
  readonly ranks?: number;
  readonly layers?: number;
  readonly promptTokens?: number;
  readonly decodeSteps?: number;
  readonly wireType?: "f16" | "int8";
  readonly seed?: number;
}

/** Numbers in [0, 1) from a seed (mulberry32, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const HIDDEN = 768;
const INNER = 1536;

export function syntheticRun(options: SyntheticOptions = {}): RunData {
  const { ranks = 2, layers = 8, promptTokens = 96, decodeSteps = 24, wireType = "f16", seed = 1 } = options;
  const rows: EventRow[] = [];
  const random = randomFrom(seed);
  const clocks = new Float64Array(ranks);
  let seq = 0;

  const runStep = (step: number, phase: string, tokens: number): void => {
    const work = phase === "prefill" ? Math.sqrt(tokens) * 1.6 : 1;
    const begins = clocks.slice();
    const op = (rank: number, name: string, ns: number, layer: number): void => {
      const slowness = 1 + 0.06 * random() + (rank === ranks - 1 ? 0.08 : 0) + (random() < 0.004 ? 3 : 0);
      const dur = Math.round((ns * work * slowness) / ranks + 250);
      rows.push({
        name,
        rank,
        layer,
        step,
        phase,
        tokens,
        dur,
        start: clocks[rank] ?? 0,
        flops: Math.round(dur * 18),
        bytes: Math.round(dur * 6),
      });
      clocks[rank] = (clocks[rank] ?? 0) + dur + 120 + Math.round(80 * random());
    };
    const allReduce = (name: string, layer: number, values: number, wire: string, beside?: () => void): void => {
      const arrivals = clocks.slice();
      beside?.();
      const last = Math.max(...arrivals);
      const bytes =
        tokens * values * (wire === "int8" ? 1 : wire === "f16" ? 2 : 4) +
        (wire === "int8" ? tokens * (values / 128) * 4 : 0);
      const sent = (bytes * 2 * (ranks - 1)) / ranks;
      const exchange = Math.round(1400 + sent * 0.09);
      const codec = wire === "int8" ? Math.round(600 + tokens * values * 0.012) : 0;
      const end = last + exchange + 3 * codec + Math.round(300 * random());
      for (let rank = 0; rank < ranks; rank++) {
        const start = arrivals[rank] ?? 0;
        const shared = {
          rank,
          layer,
          step,
          phase,
          tokens,
          wireType: wire,
          group: 0,
          seq,
          algorithm: wire === "int8" ? "two-shot" : "one-shot",
        };
        rows.push({
          ...shared,
          name,
          start,
          dur: end - start,
          wireBytes: Math.round(sent),
          bytes: Math.round(2 * bytes),
        });
        if (codec > 0) {
          rows.push({ ...shared, name: "quantise", start, dur: codec });
          rows.push({ ...shared, name: "exchange", start: start + codec, dur: end - codec - 2 * codec - start });
          rows.push({ ...shared, name: "reduce", start: end - 2 * codec, dur: codec });
          rows.push({ ...shared, name: "dequantise", start: end - codec, dur: codec });
        }
        clocks[rank] = Math.max(clocks[rank] ?? 0, end) + 150;
      }
      seq++;
    };
    const everyRank = (name: string, ns: number, layer: number): void => {
      for (let rank = 0; rank < ranks; rank++) op(rank, name, ns, layer);
    };
    everyRank("embed", 1500, -1);
    for (let layer = 0; layer < layers; layer++) {
      everyRank("norm", 2200, layer);
      everyRank("in_proj.x", 19000, layer);
      everyRank(phase === "prefill" ? "conv1d" : "conv1d_update", 3500, layer);
      everyRank("x_proj", 5200, layer);
      allReduce("all_reduce.x_proj", layer, 80, "f32", () => everyRank("in_proj.z", 18500, layer));
      everyRank("dt_proj", 4100, layer);
      everyRank(phase === "prefill" ? "selective_scan" : "state_update", phase === "prefill" ? 21000 : 9500, layer);
      everyRank("out_proj", 17500, layer);
      allReduce("all_reduce.out_proj", layer, HIDDEN, wireType);
    }
    everyRank("norm", 2200, -1);
    everyRank("lm_head", 42000, -1);
    for (let rank = 0; rank < ranks; rank++) {
      const end = (clocks[rank] ?? 0) + 900;
      rows.push({ name: "step", rank, step, phase, tokens, start: begins[rank] ?? 0, dur: end - (begins[rank] ?? 0) });
    }
    const next = Math.max(...clocks) + 2600 + Math.round(2000 * random());
    clocks.fill(next);
  };

  runStep(0, "prefill", promptTokens);
  for (let step = 1; step <= decodeSteps; step++) runStep(step, "decode", 1);
  const events = eventsOf(rows);
  return { info: syntheticInfo(events, { ...options, ranks, layers, wireType }), events };
}

/** A run of at least `count` events on eight ranks: repetitions of one run's decode steps, so that it is quick to make. */
export function syntheticLargeRun(count: number, options: SyntheticOptions = {}): RunData {
  const base = syntheticRun({ ranks: 8, layers: 16, decodeSteps: 40, wireType: "int8", ...options });
  const { events } = base;
  const period = Math.max(...events.startNs.map((start, i) => start + (events.durNs[i] ?? 0))) + 5000;
  const times = Math.ceil(count / events.count);
  const repeat = <T extends Numbers>(column: T): T => {
    const whole = new (column.constructor as new (length: number) => T)(column.length * times);
    for (let k = 0; k < times; k++) whole.set(column, k * column.length);
    return whole;
  };
  const text = ({ texts, codes }: EventColumns["name"]): EventColumns["name"] => ({ texts, codes: repeat(codes) });
  const whole: EventColumns = {
    count: events.count * times,
    startNs: repeat(events.startNs),
    durNs: repeat(events.durNs),
    rank: repeat(events.rank),
    stream: repeat(events.stream),
    name: text(events.name),
    kind: text(events.kind),
    phase: text(events.phase),
    step: repeat(events.step),
    layer: repeat(events.layer),
    tokens: repeat(events.tokens),
    sequences: repeat(events.sequences),
    flops: repeat(events.flops),
    bytes: repeat(events.bytes),
    wireBytes: repeat(events.wireBytes),
    wireType: text(events.wireType),
    algorithm: text(events.algorithm),
    group: repeat(events.group),
    seq: repeat(events.seq),
    cell: repeat(events.cell),
    request: repeat(events.request),
  };
  const steps = Math.max(...events.step) + 1;
  const collectives = Math.max(...events.seq) + 1;
  for (let i = events.count; i < whole.count; i++) {
    const k = Math.floor(i / events.count);
    whole.startNs[i] = (whole.startNs[i] ?? 0) + k * period;
    whole.step[i] = (whole.step[i] ?? 0) + k * steps;
    if ((whole.seq[i] ?? -1) >= 0) whole.seq[i] = (whole.seq[i] ?? 0) + k * collectives;
  }
  return { info: syntheticInfo(whole, { ranks: 8, layers: 16, wireType: "int8", ...options }), events: whole };
}

function syntheticInfo(events: EventColumns, options: SyntheticOptions): RunInfo {
  const { id = "synthetic-f16", label = "synthetic", ranks = 2, layers = 8, wireType = "f16" } = options;
  let durationNs = 0;
  let wireBytes = 0;
  for (let i = 0; i < events.count; i++) {
    durationNs = Math.max(durationNs, (events.startNs[i] ?? 0) + (events.durNs[i] ?? 0));
    wireBytes += events.wireBytes[i] ?? 0;
  }
  return {
    format: 1,
    id,
    label,
    createdAt: "2026-03-01T12:00:00.000Z",
    status: "complete",
    model: {
      name: "tiny-mamba",
      family: "mamba",
      layers,
      hidden: HIDDEN,
      inner: INNER,
      states: 16,
      vocabulary: 50280,
      parameters: 129_135_360,
    },
    tensorParallel: ranks,
    threadsPerRank: 1,
    device: "cpu",
    computeType: "f32",
    allReduce: { x_proj: "f32", out_proj: wireType },
    quantisationGroup: 128,
    machine: { cpu: "synthetic", isa: "avx2", cores: ranks, memoryBytes: 8e9 },
    versions: { stateline: "0.1.0" },
    originNs: "0",
    clocks: Array.from({ length: ranks }, (_, rank) => ({ rank, method: "host", offsetNs: 0, slope: 1, errorNs: 0 })),
    overhead: { spans: events.count, nsPerSpan: 40, share: 0.004, writeMs: 12 },
    events: events.count,
    lost: 0,
    durationNs,
    requests: [
      {
        request: 0,
        prompt: "The state of a",
        text: "…",
        promptTokens: 96,
        newTokens: 24,
        ttftMs: 7.9,
        prefillTokensPerSecond: 12000,
        decodeTokensPerSecond: 410,
        wireBytes,
      },
    ],
  };
}
