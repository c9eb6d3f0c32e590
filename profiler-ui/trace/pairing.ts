/** The same call in two runs: spans paired by rank, step, layer, op and ordinal among equals. */

import { bootstrapMean, excludesZero, type Block, type Interval } from "./bootstrap";
import { skewOf, transferOf, type Collective } from "./collectives";
import { firstRank } from "./columns";
import type { EventColumns } from "./events";
import { STEP } from "./kinds";
import { quantile, Sample } from "./quantiles";

/** Differences (b - a) over the pairs of one op. */
export interface PairedOp {
  readonly pairs: number;
  readonly medianDifferenceNs: number;
  readonly meanDifferenceNs: number;
  /** Where the mean difference lies with 95 % confidence: whole requests, or steps where they are few, are resampled; null for too few. */
  readonly interval: Interval | null;
  /** Share of pairs in which b was the shorter, 0..1. */
  readonly fasterShare: number;
}

/** Differences while they are collected: all, by request and by step. */
class Differences {
  readonly #all = new Sample();
  readonly #requests = new Blocks();
  readonly #steps = new Blocks();
  readonly #each: Block[] = [];
  #faster = 0;

  /** Of the span `i` of `a`. */
  add(difference: number, a: EventColumns, i: number): void {
    this.#all.add(difference);
    if (difference < 0) this.#faster++;
    if (this.#each.length < 2000) this.#each.push({ sum: difference, count: 1 });
    this.#requests.add(difference, a.request[i] ?? -1);
    this.#steps.add(difference, a.step[i] ?? 0);
  }

  get count(): number {
    return this.#all.count;
  }

  paired(): PairedOp {
    const pairs = this.#all.count;
    return {
      pairs,
      medianDifferenceNs: quantile(this.#all.sorted(), 0.5),
      meanDifferenceNs: this.#all.mean,
      interval: bootstrapMean(this.#blocks()),
      fasterShare: this.#faster / pairs,
    };
  }

  /**
   * What is resampled. Calls of one step depend on each other; so do the steps of one request, by the cores that the
   * system gave the ranks and by what else the machine did then.
   */
  #blocks(): readonly Block[] {
    const whole = [this.#requests, this.#steps].find(({ size }) => size >= 5);
    return whole?.list() ?? this.#each;
  }
}

/** Sums by a key. */
class Blocks {
  readonly #sums = new Map<number, { sum: number; count: number }>();

  add(value: number, key: number): void {
    const block = this.#sums.get(key);
    if (!block) this.#sums.set(key, { sum: value, count: 1 });
    else {
      block.sum += value;
      block.count++;
    }
  }

  get size(): number {
    return this.#sums.size;
  }

  list(): Block[] {
    return [...this.#sums.values()];
  }
}

/** Pairs by op name. Steps pair only where both runs gave them the same number of tokens. */
export function pairOps(a: EventColumns, b: EventColumns): Map<string, PairedOp> {
  const inB = spansByPlace(b, b.name.texts);
  const differences = new Map<string, Differences>();
  for (const [place, spansA] of spansByPlace(a, b.name.texts)) {
    const spansB = inB.get(place);
    const name = a.name.texts[a.name.codes[spansA[0] ?? 0] ?? 0] ?? "";
    if (!spansB) continue;
    let op = differences.get(name);
    if (!op) differences.set(name, (op = new Differences()));
    for (let i = 0, j = 0; i < spansA.length && j < spansB.length;) {
      const spanA = spansA[i] ?? 0;
      const spanB = spansB[j] ?? 0;
      const ahead = (a.step[spanA] ?? 0) - (b.step[spanB] ?? 0);
      if (ahead <= 0) i++;
      if (ahead >= 0) j++;
      if (ahead !== 0 || a.tokens[spanA] !== b.tokens[spanB]) continue;
      op.add((b.durNs[spanB] ?? 0) - (a.durNs[spanA] ?? 0), a, spanA);
    }
  }
  return results(differences);
}

function results(differences: ReadonlyMap<string, Differences>): Map<string, PairedOp> {
  return new Map([...differences].filter(([, { count }]) => count > 0).map(([name, all]) => [name, all.paired()]));
}

/** What is compared of a collective. */
export type CollectiveTime = "transfer" | "skew";

/** Collectives by op name, paired by step, layer and ordinal: their transfer times and skews. */
export function pairCollectives(
  a: EventColumns,
  b: EventColumns,
  ofA: readonly Collective[],
  ofB: readonly Collective[],
): Record<CollectiveTime, Map<string, PairedOp>> {
  const inB = collectivesByPlace(b, ofB);
  const transfer = new Map<string, Differences>();
  const skew = new Map<string, Differences>();
  const add = (to: Map<string, Differences>, name: string, difference: number, i: number): void => {
    let known = to.get(name);
    if (!known) to.set(name, (known = new Differences()));
    known.add(difference, a, i);
  };
  for (const [place, one] of collectivesByPlace(a, ofA)) {
    const other = inB.get(place);
    const [i = 0] = one.spans;
    const [j = 0] = other?.spans ?? [];
    if (!other || a.tokens[i] !== b.tokens[j]) continue;
    const name = a.name.texts[a.name.codes[i] ?? 0] ?? "";
    add(transfer, name, transferOf(other) - transferOf(one), i);
    add(skew, name, skewOf(other) - skewOf(one), i);
  }
  return { transfer: results(transfer), skew: results(skew) };
}

function collectivesByPlace(events: EventColumns, matched: readonly Collective[]): Map<string, Collective> {
  const ordinals = new Map<string, number>();
  const places = new Map<string, Collective>();
  for (const collective of matched) {
    const [i = 0] = collective.spans;
    if (collective.spans.length < 2) continue;
    const name = events.name.texts[events.name.codes[i] ?? 0] ?? "";
    const where = `${events.step[i]} ${events.layer[i]} ${name}`;
    const ordinal = ordinals.get(where) ?? 0;
    ordinals.set(where, ordinal + 1);
    places.set(`${where} ${ordinal}`, collective);
  }
  return places;
}

/**
 * Whether `b` differs from `a` more often in one direction than chance would have it: the share of shorter ones lies two
 * standard deviations of a fair coin (1 / √n) or more from a half. Fewer than five pairs never suffice.
 */
export function isConsistent({ pairs, fasterShare }: PairedOp): boolean {
  return pairs >= 5 && Math.abs(fasterShare - 0.5) >= 1 / Math.sqrt(pairs);
}

/**
 * Whether pairs say what a difference of totals says: most of them go its way, and their mean leaves no doubt about the sign.
 * Only then is it a gain or a loss.
 */
export function agrees(paired: PairedOp | null, difference: number): boolean {
  if (!paired || !isConsistent(paired) || !excludesZero(paired.interval)) return false;
  return paired.fasterShare > 0.5 === difference < 0;
}

/** Steps of both runs by phase, on the first rank alone: the others wait for it, so theirs are no further samples. */
export function pairSteps(a: EventColumns, b: EventColumns): Map<string, PairedOp> {
  const inB = stepsOf(b);
  const differences = new Map<string, Differences>();
  for (const [step, { phase, tokens, ns, span }] of stepsOf(a)) {
    const other = inB.get(step);
    if (!other || other.phase !== phase || other.tokens !== tokens) continue;
    let steps = differences.get(phase);
    if (!steps) differences.set(phase, (steps = new Differences()));
    steps.add(other.ns - ns, a, span);
  }
  return results(differences);
}

interface Step {
  readonly phase: string;
  readonly tokens: number;
  readonly ns: number;
  readonly span: number;
}

function stepsOf(events: EventColumns): Map<number, Step> {
  const code = events.name.texts.indexOf(STEP);
  const steps = new Map<number, Step>();
  const first = firstRank(events);
  for (let i = 0; i < events.count; i++) {
    if (events.name.codes[i] !== code || events.rank[i] !== first) continue;
    const phase = events.phase.texts[events.phase.codes[i] ?? 0] ?? "";
    steps.set(events.step[i] ?? 0, { phase, tokens: events.tokens[i] ?? 0, ns: events.durNs[i] ?? 0, span: i });
  }
  return steps;
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
