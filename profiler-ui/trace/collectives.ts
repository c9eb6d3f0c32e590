/** Collectives matched across ranks by their ordinal in a group: who came late, and how long the data then took. */

import type { EventColumns } from "./events";
import { Sample } from "./quantiles";

/** One collective as all its ranks saw it. */
export interface Collective {
  /** Positions of its spans in the events, one a rank. */
  readonly spans: readonly number[];
  readonly firstStart: number;
  readonly lastStart: number;
  readonly end: number;
}

/** Time from the first rank's arrival to the last's. */
export function skewOf(collective: Collective): number {
  return collective.lastStart - collective.firstStart;
}

/** Time from the last rank's arrival to the end. */
export function transferOf(collective: Collective): number {
  return collective.end - collective.lastStart;
}

/** Collectives of one op, wire type and algorithm. Times in nanoseconds. */
export interface CollectiveSummary {
  readonly name: string;
  readonly wireType: string;
  readonly algorithm: string;
  /** Collectives seen by at least two ranks. */
  readonly count: number;
  /** Bytes sent, all ranks together. */
  readonly wireBytes: number;
  readonly meanSkewNs: number;
  readonly p99SkewNs: number;
  readonly meanTransferNs: number;
  readonly p99TransferNs: number;
}

/** Names of collectives as a whole; int8's own parts (quantise, exchange, reduce, …) are none. */
const COLLECTIVE = /^(?:all_|gather|reduce_scatter|broadcast)/;

/** Whether span `i` is a collective as a whole: it says what it sent, or its name says that it is one. */
export function isCollective(events: EventColumns, i: number): boolean {
  if ((events.seq[i] ?? -1) < 0) return false;
  const name = events.name.texts[events.name.codes[i] ?? 0] ?? "";
  return COLLECTIVE.test(name);
}

/** All collectives of a run, in order of their group and ordinal. */
export function matchCollectives(events: EventColumns): Collective[] {
  const spans = new Map<number, number[]>();
  for (let i = 0; i < events.count; i++) {
    if (!isCollective(events, i)) continue;
    const key = ((events.group[i] ?? 0) + 32768) * 2 ** 37 + (events.seq[i] ?? 0);
    const known = spans.get(key);
    if (known) known.push(i);
    else spans.set(key, [i]);
  }
  return [...spans].sort(([a], [b]) => a - b).map(([, matched]) => collectiveOf(events, matched));
}

function collectiveOf(events: EventColumns, spans: readonly number[]): Collective {
  let firstStart = Infinity;
  let lastStart = -Infinity;
  let end = -Infinity;
  for (const i of spans) {
    const start = events.startNs[i] ?? 0;
    firstStart = Math.min(firstStart, start);
    lastStart = Math.max(lastStart, start);
    end = Math.max(end, start + (events.durNs[i] ?? 0));
  }
  return { spans, firstStart, lastStart, end };
}

/** Collectives by op, wire type and algorithm, the ones with the most bytes first. */
export function summariseCollectives(events: EventColumns): CollectiveSummary[] {
  interface Group {
    readonly name: string;
    readonly wireType: string;
    readonly algorithm: string;
    readonly skew: Sample;
    readonly transfer: Sample;
    wireBytes: number;
  }
  const groups = new Map<string, Group>();
  for (const collective of matchCollectives(events)) {
    const first = collective.spans[0] ?? 0;
    const name = events.name.texts[events.name.codes[first] ?? 0] ?? "";
    const wireType = events.wireType.texts[events.wireType.codes[first] ?? 0] ?? "";
    const algorithm = events.algorithm.texts[events.algorithm.codes[first] ?? 0] ?? "";
    const key = `${name}\n${wireType}\n${algorithm}`;
    let group = groups.get(key);
    if (!group) {
      group = { name, wireType, algorithm, skew: new Sample(), transfer: new Sample(), wireBytes: 0 };
      groups.set(key, group);
    }
    for (const i of collective.spans) group.wireBytes += events.wireBytes[i] ?? 0;
    if (collective.spans.length < 2) continue;
    group.skew.add(skewOf(collective));
    group.transfer.add(transferOf(collective));
  }
  return [...groups.values()]
    .map(({ name, wireType, algorithm, skew, transfer, wireBytes }) => ({
      name,
      wireType,
      algorithm,
      count: skew.count,
      wireBytes,
      meanSkewNs: skew.mean,
      p99SkewNs: skew.quantiles(0.99)[0] || 0,
      meanTransferNs: transfer.mean,
      p99TransferNs: transfer.quantiles(0.99)[0] || 0,
    }))
    .sort((a, b) => b.wireBytes - a.wireBytes);
}
