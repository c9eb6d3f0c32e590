/** The same call in two runs: spans paired by rank, step, layer, op and ordinal among equals. */

import { firstRank } from "./columns";
import type { EventColumns } from "./events";
import { STEP } from "./kinds";
import { quantile, Sample } from "./quantiles";

/** Differences (b - a) over the pairs of one op. */
export interface PairedOp {
  readonly pairs: number;
  readonly medianDifferenceNs: number;
  /** Share of pairs in which b was the shorter, 0..1. */
  readonly fasterShare: number;
}

/** Pairs by op name. Steps pair only where both runs gave them the same number of tokens. */
export function pairOps(a: EventColumns, b: EventColumns): Map<string, PairedOp> {
  const inB = spansByPlace(b, b.name.texts);
  const differences = new Map<string, { all: Sample; faster: number }>();
  for (const [place, spansA] of spansByPlace(a, b.name.texts)) {
    const spansB = inB.get(place);
    const name = a.name.texts[a.name.codes[spansA[0] ?? 0] ?? 0] ?? "";
    if (!spansB) continue;
    let op = differences.get(name);
    if (!op) differences.set(name, (op = { all: new Sample(), faster: 0 }));
    for (let i = 0, j = 0; i < spansA.length && j < spansB.length;) {
      const spanA = spansA[i] ?? 0;
      const spanB = spansB[j] ?? 0;
      const ahead = (a.step[spanA] ?? 0) - (b.step[spanB] ?? 0);
      if (ahead <= 0) i++;
      if (ahead >= 0) j++;
      if (ahead !== 0 || a.tokens[spanA] !== b.tokens[spanB]) continue;
      const difference = (b.durNs[spanB] ?? 0) - (a.durNs[spanA] ?? 0);
      op.all.add(difference);
      if (difference < 0) op.faster++;
    }
  }
  return new Map(
    [...differences]
      .filter(([, { all }]) => all.count > 0)
      .map(([name, { all, faster }]) => [name, pairedOf(all, faster)]),
  );
}

/**
 * Whether `b` differs from `a` more often in one direction than chance would have it: the share of shorter ones lies two
 * standard deviations of a fair coin (1 / √n) or more from a half. Fewer than five pairs never suffice.
 */
export function isConsistent({ pairs, fasterShare }: PairedOp): boolean {
  return pairs >= 5 && Math.abs(fasterShare - 0.5) >= 1 / Math.sqrt(pairs);
}

/** Steps of both runs by phase, on the first rank alone: the others wait for it, so theirs are no further samples. */
export function pairSteps(a: EventColumns, b: EventColumns): Map<string, PairedOp> {
  const inB = stepsOf(b);
  const differences = new Map<string, { all: Sample; faster: number }>();
  for (const [step, { phase, tokens, ns }] of stepsOf(a)) {
    const other = inB.get(step);
    if (!other || other.phase !== phase || other.tokens !== tokens) continue;
    let steps = differences.get(phase);
    if (!steps) differences.set(phase, (steps = { all: new Sample(), faster: 0 }));
    steps.all.add(other.ns - ns);
    if (other.ns < ns) steps.faster++;
  }
  return new Map([...differences].map(([phase, { all, faster }]) => [phase, pairedOf(all, faster)]));
}

function stepsOf(events: EventColumns): Map<number, { phase: string; tokens: number; ns: number }> {
  const code = events.name.texts.indexOf(STEP);
  const steps = new Map<number, { phase: string; tokens: number; ns: number }>();
  const first = firstRank(events);
  for (let i = 0; i < events.count; i++) {
    if (events.name.codes[i] !== code || events.rank[i] !== first) continue;
    const phase = events.phase.texts[events.phase.codes[i] ?? 0] ?? "";
    steps.set(events.step[i] ?? 0, { phase, tokens: events.tokens[i] ?? 0, ns: events.durNs[i] ?? 0 });
  }
  return steps;
}

function pairedOf(differences: Sample, faster: number): PairedOp {
  const pairs = differences.count;
  return { pairs, medianDifferenceNs: quantile(differences.sorted(), 0.5), fasterShare: faster / pairs };
}

/** Spans of each rank, layer and op, by step, those of one step in order of time. Ops are numbered as in `names`. */
function spansByPlace(events: EventColumns, names: readonly string[]): Map<number, number[]> {
  const codes = events.name.texts.map((text) => names.indexOf(text));
  const places = new Map<number, number[]>();
  for (let i = 0; i < events.count; i++) {
    const name = codes[events.name.codes[i] ?? 0] ?? -1;
    if (name < 0) continue;
    // 16 bits of rank, 16 of layer, 8 of name.
    const place = ((events.rank[i] ?? 0) * 65536 + (events.layer[i] ?? 0) + 32768) * 256 + name;
    const known = places.get(place);
    if (known) known.push(i);
    else places.set(place, [i]);
  }
  const byStep = (i: number, j: number): number => (events.step[i] ?? 0) - (events.step[j] ?? 0);
  for (const spans of places.values()) {
    if (spans.some((i, k) => k > 0 && byStep(spans[k - 1] ?? 0, i) > 0)) spans.sort(byStep);
  }
  return places;
}
