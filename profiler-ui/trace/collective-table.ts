/**
 * Every collective of a run with what it sent, how fast, who waited for whom, and whether its time is transfer or skew;
 * who is the straggler; whether the ranks' clocks can be believed.
 */

import { alignedTime, alignmentOf, type RankAlignment } from "./alignment";
import { matchCollectives, skewOf, transferOf, type Collective } from "./collectives";
import type { EventColumns } from "./events";
import type { RankClock } from "./run";

/** What most of a collective's time is; "inconclusive" where the skew lies below the clocks' error. */
export type CollectiveClass = "transfer" | "skew" | "mixed" | "inconclusive";

export const COLLECTIVE_CLASSES: readonly CollectiveClass[] = ["transfer", "skew", "mixed", "inconclusive"];

/** One collective. Times in nanoseconds, rates in bytes a second. */
export interface CollectiveRow {
  readonly group: number;
  readonly seq: number;
  readonly name: string;
  readonly wireType: string;
  readonly algorithm: string;
  readonly phase: string;
  readonly step: number;
  readonly layer: number;
  readonly tokens: number;
  /** First arrival, from the run's start. */
  readonly startNs: number;
  readonly skewNs: number;
  readonly transferNs: number;
  /** Bytes sent, all ranks together. */
  readonly wireBytes: number;
  /** Message size over transfer time, as nccl-tests define it; 0 where nothing was sent. */
  readonly algbw: number;
  /** `algbw` × 2(n-1)/n, or (n-1)/n for a gather: comparable to what a link is rated at. */
  readonly busbw: number;
  readonly lastRank: number;
  /** By rank: how long it waited for the last one. */
  readonly waits: readonly { readonly rank: number; readonly waitNs: number }[];
  readonly class: CollectiveClass;
}

/** How much one rank made the others wait, and waited itself. */
export interface Straggler {
  readonly rank: number;
  /** Time it waited for others. */
  readonly waitNs: number;
  readonly meanWaitNs: number;
  /** Share of its collectives to which it came last, 0..1. */
  readonly lastShare: number;
  /** Time that all others together waited for it. */
  readonly causedNs: number;
}

export interface ClockReport {
  readonly clocks: readonly RankClock[];
  readonly alignment: readonly RankAlignment[];
  /** Largest error between two ranks' clocks. */
  readonly errorNs: number;
  /** Collectives that a rank ended before another had begun, by more than the error. */
  readonly violations: number;
}

export interface CollectiveReport {
  /** Start of the run's first span: where timelines begin to count. */
  readonly originNs: number;
  /** In order of group and ordinal; only those that at least two ranks saw. */
  readonly rows: readonly CollectiveRow[];
  /** Collectives that some rank of their group did not record. */
  readonly incomplete: number;
  readonly stragglers: readonly Straggler[];
  readonly clock: ClockReport;
}

export function reportCollectives(events: EventColumns, clocks: readonly RankClock[]): CollectiveReport {
  const matched = matchCollectives(events);
  const groups = ranksByGroup(events, matched);
  const errorNs = pairError(clocks);
  const rows: CollectiveRow[] = [];
  let incomplete = 0;
  let violations = 0;
  for (const collective of matched) {
    const [first = 0] = collective.spans;
    if (collective.spans.length < (groups.get(events.group[first] ?? 0)?.size ?? 0)) incomplete++;
    if (collective.spans.length < 2) continue;
    rows.push(rowOf(events, collective, errorNs));
    if (collective.lastStart > firstEnd(events, collective) + errorNs) violations++;
  }
  const alignment = alignmentOf(events, matched, clocks);
  return {
    originNs: events.startNs[0] ?? 0,
    rows,
    incomplete,
    stragglers: stragglersOf(rows),
    clock: { clocks, alignment, errorNs, violations },
  };
}

/** The report of a run with its ranks' clocks corrected; what it says of the clocks themselves is as recorded. */
export function correctedReport(events: EventColumns, { originNs, clock }: CollectiveReport): CollectiveReport {
  const byRank = new Map(clock.alignment.map((one) => [one.rank, one]));
  const startNs = Float64Array.from(events.startNs, (start, i) => {
    const alignment = byRank.get(events.rank[i] ?? 0);
    return alignment ? alignedTime(start, alignment) : start;
  });
  const report = reportCollectives({ ...events, startNs }, clock.clocks);
  return { ...report, originNs, clock: { ...clock, violations: report.clock.violations } };
}

function ranksByGroup(events: EventColumns, matched: readonly Collective[]): Map<number, Set<number>> {
  const groups = new Map<number, Set<number>>();
  for (const { spans } of matched) {
    for (const i of spans) {
      const group = events.group[i] ?? 0;
      let ranks = groups.get(group);
      if (!ranks) groups.set(group, (ranks = new Set()));
      ranks.add(events.rank[i] ?? 0);
    }
  }
  return groups;
}

/** Two clocks' errors add up. */
function pairError(clocks: readonly RankClock[]): number {
  const [a = 0, b = 0] = clocks.map(({ errorNs }) => errorNs).sort((x, y) => y - x);
  return a + b;
}

function firstEnd(events: EventColumns, { spans }: Collective): number {
  return spans.reduce((first, i) => Math.min(first, (events.startNs[i] ?? 0) + (events.durNs[i] ?? 0)), Infinity);
}

function rowOf(events: EventColumns, collective: Collective, errorNs: number): CollectiveRow {
  const { spans, lastStart } = collective;
  const [first = 0] = spans;
  const name = events.name.texts[events.name.codes[first] ?? 0] ?? "";
  const algorithm = events.algorithm.texts[events.algorithm.codes[first] ?? 0] ?? "";
  const wireBytes = spans.reduce((sum, i) => sum + (events.wireBytes[i] ?? 0), 0);
  const skewNs = skewOf(collective);
  const transferNs = transferOf(collective);
  const last = spans.find((i) => events.startNs[i] === lastStart) ?? first;
  return {
    group: events.group[first] ?? 0,
    seq: events.seq[first] ?? 0,
    name,
    wireType: events.wireType.texts[events.wireType.codes[first] ?? 0] ?? "",
    algorithm,
    phase: events.phase.texts[events.phase.codes[first] ?? 0] ?? "",
    step: events.step[first] ?? 0,
    layer: events.layer[first] ?? -1,
    tokens: events.tokens[first] ?? 0,
    startNs: collective.firstStart,
    skewNs,
    transferNs,
    wireBytes,
    ...bandwidthOf(name, algorithm, wireBytes / spans.length, spans.length, transferNs),
    lastRank: events.rank[last] ?? 0,
    waits: spans
      .map((i) => ({ rank: events.rank[i] ?? 0, waitNs: lastStart - (events.startNs[i] ?? 0) }))
      .sort((a, b) => a.rank - b.rank),
    class: classOf(skewNs, transferNs, errorNs),
  };
}

/**
 * Rates of a collective of `ranks` ranks that each sent `sent` bytes. The message's size follows from what was sent: a
 * one-shot AllReduce sends the message to every other rank, a two-shot or ring one 2(n-1)/n of it, a gather (n-1)/n.
 */
export function bandwidthOf(
  name: string,
  algorithm: string,
  sent: number,
  ranks: number,
  transferNs: number,
): { readonly algbw: number; readonly busbw: number } {
  if (sent <= 0 || transferNs <= 0 || ranks < 2) return { algbw: 0, busbw: 0 };
  const both = name.startsWith("all_reduce");
  const factor = name.startsWith("broadcast") ? 1 : (both ? 2 : 1) * ((ranks - 1) / ranks);
  const message = both && algorithm === "one-shot" ? sent / (ranks - 1) : sent / factor;
  const algbw = (message * 1e9) / transferNs;
  return { algbw, busbw: algbw * factor };
}

export function classOf(skewNs: number, transferNs: number, errorNs: number): CollectiveClass {
  if (skewNs < errorNs) return "inconclusive";
  const share = skewNs / Math.max(1, skewNs + transferNs);
  return share >= 2 / 3 ? "skew" : share <= 1 / 3 ? "transfer" : "mixed";
}

function stragglersOf(rows: readonly CollectiveRow[]): Straggler[] {
  const ranks = new Map<number, { count: number; last: number; waitNs: number; causedNs: number }>();
  const of = (rank: number): { count: number; last: number; waitNs: number; causedNs: number } => {
    let known = ranks.get(rank);
    if (!known) ranks.set(rank, (known = { count: 0, last: 0, waitNs: 0, causedNs: 0 }));
    return known;
  };
  for (const { waits, lastRank } of rows) {
    let caused = 0;
    for (const { rank, waitNs } of waits) {
      const entry = of(rank);
      entry.count++;
      entry.waitNs += waitNs;
      caused += waitNs;
    }
    of(lastRank).last++;
    of(lastRank).causedNs += caused;
  }
  return [...ranks]
    .sort(([a], [b]) => a - b)
    .map(([rank, { count, last, waitNs, causedNs }]) => ({
      rank,
      waitNs,
      meanWaitNs: waitNs / count,
      lastShare: last / count,
      causedNs,
    }));
}

/** Which rows a page wants. */
export interface CollectiveQuery {
  /** With the ranks' clocks corrected by collective ends. */
  readonly corrected?: boolean;
  readonly name?: string;
  readonly class?: string;
  readonly sort: CollectiveSort;
  readonly descending: boolean;
  readonly offset: number;
  readonly limit: number;
}

export const COLLECTIVE_SORTS = ["startNs", "skewNs", "transferNs", "wireBytes", "algbw", "busbw"] as const;
export type CollectiveSort = (typeof COLLECTIVE_SORTS)[number];

/** A part of a report's rows, and what holds for all. */
export interface CollectivePage extends Omit<CollectiveReport, "rows"> {
  readonly rows: readonly CollectiveRow[];
  /** Rows that fit. */
  readonly total: number;
  readonly names: readonly string[];
  /** Rows of each class among those of the name. */
  readonly classes: Readonly<Record<CollectiveClass, number>>;
}

export function pageOf(report: CollectiveReport, query: CollectiveQuery): CollectivePage {
  const named = query.name ? report.rows.filter(({ name }) => name === query.name) : report.rows;
  const classes = { transfer: 0, skew: 0, mixed: 0, inconclusive: 0 };
  for (const row of named) classes[row.class]++;
  const fitting = query.class ? named.filter((row) => row.class === query.class) : named;
  const sign = query.descending ? -1 : 1;
  const sorted = [...fitting].sort((a, b) => sign * (a[query.sort] - b[query.sort]) || a.startNs - b.startNs);
  return {
    ...report,
    rows: sorted.slice(query.offset, query.offset + query.limit),
    total: fitting.length,
    names: [...new Set(report.rows.map(({ name }) => name))],
    classes,
  };
}
