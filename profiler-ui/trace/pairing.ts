/** The same call in two runs: spans paired by rank, step, layer, op and ordinal among equals. */

import { bootstrapMean, excludesZero, type Block, type Interval } from "./bootstrap";
import { skewOf, transferOf, type Collective } from "./collectives";
import { firstRank } from "./columns";
import type { EventColumns } from "./events";
import { STEP } from "./kinds";
import { Sample } from "./quantiles";

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
      medianDifferenceNs: this.#all.quantiles(0.5)[0] ?? NaN,
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
  /** What was added to last: neighbours are often of one block. */
  #last = { key: NaN, block: { sum: 0, count: 0 } };

  add(value: number, key: number): void {
    if (key !== this.#last.key) {
      const known = this.#sums.get(key);
      const block = known ?? { sum: 0, count: 0 };
      if (!known) this.#sums.set(key, block);
      this.#last = { key, block };
    }
    this.#last.block.sum += value;
    this.#last.block.count++;
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
function spansByPlace(events: EventColumns, names: readonly string[]): Map<number, Uint32Array> {
  const { count, rank, layer, step } = events;
  const codes = Int16Array.from(events.name.texts, (text) => names.indexOf(text));
  const numbers = new Map<number, number>();
  const sizes: number[] = [];
  // Counted, then filled in: lists that grow would take several times the memory.
  const numberOf = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const name = codes[events.name.codes[i] ?? 0] ?? -1;
    // 16 bits of rank, 16 of layer, 8 of name.
    const place = name < 0 ? -1 : ((rank[i] ?? 0) * 65536 + (layer[i] ?? 0) + 32768) * 256 + name;
    let number = numbers.get(place);
    if (number === undefined) {
      number = sizes.push(0) - 1;
      numbers.set(place, number);
    }
    numberOf[i] = number;
    sizes[number] = (sizes[number] ?? 0) + 1;
  }
  const lists = sizes.map((size) => new Uint32Array(size));
  const used = new Uint32Array(sizes.length);
  for (let i = 0; i < count; i++) {
    const number = numberOf[i] ?? 0;
    const at = used[number] ?? 0;
    const list = lists[number];
    if (list) list[at] = i;
    used[number] = at + 1;
  }
  numbers.delete(-1); // ops that the other run does not have
  const byStep = (i: number, j: number): number => (step[i] ?? 0) - (step[j] ?? 0);
  return new Map(
    [...numbers].map(([place, number]): [number, Uint32Array] => {
      const spans = lists[number] ?? new Uint32Array(0);
      const isOrdered = spans.every((i, k) => k === 0 || byStep(spans[k - 1] ?? 0, i) <= 0);
      return [place, isOrdered ? spans : spans.sort(byStep)];
    }),
  );
}
