/** A run small enough to work its numbers out by hand: two ranks, a prefill and a decode step, times in whole microseconds. */

import type { RunData } from "../../../profiler-ui/trace/compare";
import { STEP } from "../../../profiler-ui/trace/kinds";
import { eventsOf, type EventRow } from "./events";
import { syntheticRun } from "./synthetic-run";

type Span = readonly [name: string, from: number, to: number, rest?: Partial<EventRow>];

const norm = { layer: 0, flops: 35_000, bytes: 350_000 };
const inProj = { layer: 0, flops: 720_000, bytes: 180_000 };
const outProj = { layer: 0, flops: 225_000, bytes: 225_000 };
const sum = { layer: 0, seq: 0, wireBytes: 64, wireType: "f32", algorithm: "one-shot" };

const PREFILL: readonly (readonly Span[])[] = [
  [
    [STEP, 0, 1000],
    ["norm", 0, 100, norm],
    ["in_proj.x", 100, 400, inProj],
    ["all_reduce.x_proj", 400, 600, sum],
    ["in_proj.z", 450, 550, { layer: 0 }],
    ["out_proj", 600, 800, outProj],
  ],
  [
    [STEP, 0, 1000],
    ["norm", 0, 100, norm],
    ["in_proj.x", 100, 520, inProj],
    ["all_reduce.x_proj", 520, 600, sum],
    ["out_proj", 600, 900, outProj],
  ],
];

const DECODE: readonly (readonly Span[])[] = [
  [
    [STEP, 1200, 1700],
    ["norm", 1200, 1250, norm],
    ["out_proj", 1250, 1450, outProj],
    ["norm", 1450, 1600, { ...norm, layer: 1 }],
  ],
  [
    [STEP, 1200, 1700],
    ["norm", 1200, 1300, norm],
    ["out_proj", 1300, 1500, outProj],
    ["norm", 1500, 1700, { ...norm, layer: 1 }],
  ],
];

function rowsOf(ranks: readonly (readonly Span[])[], step: number, phase: string, tokens: number): EventRow[] {
  return ranks.flatMap((spans, rank) =>
    spans.map(([name, from, to, rest]) => {
      const start = from * 1000;
      return { name, start, dur: to * 1000 - start, rank, step, phase, tokens, ...rest };
    }),
  );
}

export function handRun(id: string): RunData {
  const { info } = syntheticRun({ id, label: "worked out by hand", layers: 2, decodeSteps: 1 });
  const events = eventsOf([...rowsOf(PREFILL, 0, "prefill", 4), ...rowsOf(DECODE, 1, "decode", 1)]);
  const memory = { weights: [4096, 8192], states: [512, 256] };
  const requests = info.requests.map((request) => ({ ...request, ttftMs: 1 }));
  return { info: { ...info, memory, requests, events: events.count, durationNs: 1_700_000 }, events };
}
