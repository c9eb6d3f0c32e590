/** Where a run's time and bytes went. All times in nanoseconds, all shares 0..1. */

import { isCollective, summariseCollectives, type CollectiveSummary } from "./collectives";
import { firstRank } from "./columns";
import type { EventColumns } from "./events";
import { IntervalBuilder, lengthOf, subtract, unite, type Intervals } from "./intervals";
import { KINDS, kindIndex, STEP, type Kind } from "./kinds";
import { buildLanes, isNested, type Lane } from "./lanes";
import { Sample } from "./quantiles";

/** Time of one kind of op on one rank. */
export interface KindTime {
  readonly kind: Kind;
  /** Time during which at least one span of the kind ran: children inside a collective count once. */
  readonly busyNs: number;
  /** Of that, the time during which no kind before it in `KINDS` ran, so that a rank's kinds and idle add up to its step time. */
  readonly ownNs: number;
  /** `ownNs` over the rank's step time. */
  readonly share: number;
}

export interface RankSummary {
  readonly rank: number;
  /** Time inside the rank's steps. */
  readonly stepNs: number;
  /** Every kind of `KINDS`, in that order. */
  readonly kinds: readonly KindTime[];
  /** Step time in which no op ran: waiting for work, sampling's host side, recording. */
  readonly idleNs: number;
  readonly idleShare: number;
  /** Bytes this rank sent. */
  readonly wireBytes: number;
  readonly collectiveNs: number;
  /** Collective time that no compute hid. */
  readonly exposedNs: number;
  /** Share of collective time that compute hid; 0 without collectives. */
  readonly overlapShare: number;
}

/** All spans of one op, all ranks together. */
export interface OpSummary {
  readonly name: string;
  readonly kind: Kind;
  /** Runs inside another op, whose time contains this one's. */
  readonly nested: boolean;
  readonly count: number;
  readonly totalNs: number;
  readonly meanNs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  /** `totalNs` over the step time of all ranks. */
  readonly share: number;
  readonly flops: number;
  readonly bytes: number;
  readonly wireBytes: number;
}

export interface PhaseSummary {
  readonly phase: string;
  readonly steps: number;
  readonly tokens: number;
  /** Time of the phase's steps on the first rank, which samples: the others follow it, and wait for it in the next step. */
  readonly timeNs: number;
  readonly tokensPerSecond: number;
}

export interface RunSummary {
  readonly events: number;
  /** From the first span's start to the last one's end. */
  readonly durationNs: number;
  /** By rank number. */
  readonly ranks: readonly RankSummary[];
  /** Largest total first; nested ops after the others. */
  readonly ops: readonly OpSummary[];
  readonly collectives: readonly CollectiveSummary[];
  /** In order of first appearance: prefill, decode. */
  readonly phases: readonly PhaseSummary[];
  /** Bytes sent, all ranks together. */
  readonly wireBytes: number;
  /** Mean over ranks of the collective time that no compute hid. */
  readonly exposedNs: number;
}

/** Sums up a run; `lanes` are its lanes where they are known. A rank's step time is the time its `step` spans cover; without them, from its first span to its last. */
export function summarise(events: EventColumns, lanes: readonly Lane[] = buildLanes(events)): RunSummary {
  const ranks = summariseRanks(events);
  const stepNs = ranks.reduce((sum, rank) => sum + rank.stepNs, 0);
  let first = Infinity;
  let last = 0;
  for (let i = 0; i < events.count; i++) {
    first = Math.min(first, events.startNs[i] ?? 0);
    last = Math.max(last, (events.startNs[i] ?? 0) + (events.durNs[i] ?? 0));
  }
  return {
    events: events.count,
    durationNs: events.count === 0 ? 0 : last - first,
    ranks,
    ops: summariseOps(events, lanes, stepNs),
    collectives: summariseCollectives(events),
    phases: summarisePhases(events),
    wireBytes: ranks.reduce((sum, rank) => sum + rank.wireBytes, 0),
    exposedNs: ranks.length === 0 ? 0 : ranks.reduce((sum, rank) => sum + rank.exposedNs, 0) / ranks.length,
  };
}

/** Time of `kind` on a rank. */
export function kindTime(rank: RankSummary, kind: Kind): KindTime {
  return rank.kinds[KINDS.indexOf(kind)] ?? { kind, busyNs: 0, ownNs: 0, share: 0 };
}

/** What a rank's spans cover while they are read. */
class RankTime {
  readonly kinds = KINDS.map(() => new IntervalBuilder());
  readonly steps = new IntervalBuilder();
  hasSteps = false;
  first = Infinity;
  last = -Infinity;
  wireBytes = 0;
}

function summariseRanks(events: EventColumns): RankSummary[] {
  const kindOfCode = events.kind.texts.map(kindIndex);
  const stepCode = events.name.texts.indexOf(STEP);
  const times = new Map<number, RankTime>();
  for (let i = 0; i < events.count; i++) {
    const rank = events.rank[i] ?? 0;
    let time = times.get(rank);
    if (!time) times.set(rank, (time = new RankTime()));
    const start = events.startNs[i] ?? 0;
    const end = start + (events.durNs[i] ?? 0);
    time.first = Math.min(time.first, start);
    time.last = Math.max(time.last, end);
    time.wireBytes += events.wireBytes[i] ?? 0;
    if (events.name.codes[i] === stepCode) {
      time.steps.add(start, end);
      time.hasSteps = true;
    } else {
      time.kinds[kindOfCode[events.kind.codes[i] ?? 0] ?? 0]?.add(start, end);
    }
  }
  return [...times].sort(([a], [b]) => a - b).map(([rank, time]) => summariseRank(rank, time));
}

function summariseRank(rank: number, time: RankTime): RankSummary {
  const unions = time.kinds.map((kind) => kind.build());
  let claimed: Intervals = new Float64Array(0);
  const own = unions.map((union) => {
    const rest = subtract(union, claimed);
    claimed = unite(claimed, rest);
    return lengthOf(rest);
  });
  // Spans that stand outside every step (their step's span was lost) extend the frame, so that shares stay below one.
  const stepNs = time.hasSteps ? lengthOf(unite(time.steps.build(), claimed)) : Math.max(0, time.last - time.first);
  const share = (ns: number): number => (stepNs === 0 ? 0 : ns / stepNs);
  const kinds = KINDS.map((kind, k) => ({
    kind,
    busyNs: lengthOf(unions[k] ?? new Float64Array(0)),
    ownNs: own[k] ?? 0,
    share: share(own[k] ?? 0),
  }));
  const collective = kinds[KINDS.indexOf("collective")];
  const idleNs = Math.max(0, stepNs - lengthOf(claimed));
  const collectiveNs = collective?.busyNs ?? 0;
  const exposedNs = collective?.ownNs ?? 0;
  return {
    rank,
    stepNs,
    kinds,
    idleNs,
    idleShare: share(idleNs),
    wireBytes: time.wireBytes,
    collectiveNs,
    exposedNs,
    overlapShare: collectiveNs === 0 ? 0 : 1 - exposedNs / collectiveNs,
  };
}

function summariseOps(events: EventColumns, lanes: readonly Lane[], stepNs: number): OpSummary[] {
  const { texts } = events.name;
  const durations = texts.map(() => new Sample());
  const flops = new Float64Array(texts.length);
  const bytes = new Float64Array(texts.length);
  const wireBytes = new Float64Array(texts.length);
  const kinds = new Uint8Array(texts.length);
  const nested = new Uint8Array(texts.length);
  for (const lane of lanes) {
    lane.rows.forEach(({ index }, depth) => {
      const inside = isNested(events, lane.rows[0]?.index, depth);
      for (const i of index) {
        const code = events.name.codes[i] ?? 0;
        durations[code]?.add(events.durNs[i] ?? 0);
        flops[code] = (flops[code] ?? 0) + (events.flops[i] ?? 0);
        bytes[code] = (bytes[code] ?? 0) + (events.bytes[i] ?? 0);
        wireBytes[code] = (wireBytes[code] ?? 0) + (events.wireBytes[i] ?? 0);
        kinds[code] = events.kind.codes[i] ?? 0;
        if (inside && !isCollective(events, i)) nested[code] = 1;
      }
    });
  }
  return texts
    .flatMap((name, code): OpSummary[] => {
      const sample = durations[code];
      if (!sample || sample.count === 0 || name === STEP) return [];
      const [p50Ns = NaN, p99Ns = NaN] = sample.quantiles(0.5, 0.99);
      return [
        {
          name,
          kind: KINDS[kindIndex(events.kind.texts[kinds[code] ?? 0] ?? "")] ?? "host",
          nested: nested[code] === 1,
          count: sample.count,
          totalNs: sample.sum,
          meanNs: sample.mean,
          p50Ns,
          p99Ns,
          share: stepNs === 0 ? 0 : sample.sum / stepNs,
          flops: flops[code] ?? 0,
          bytes: bytes[code] ?? 0,
          wireBytes: wireBytes[code] ?? 0,
        },
      ];
    })
    .sort((a, b) => Number(a.nested) - Number(b.nested) || b.totalNs - a.totalNs);
}

function summarisePhases(events: EventColumns): PhaseSummary[] {
  const stepCode = events.name.texts.indexOf(STEP);
  interface Phase {
    readonly time: IntervalBuilder;
    readonly tokens: Map<number, number>;
  }
  const phases = new Map<number, Phase>();
  const first = firstRank(events);
  for (let i = 0; i < events.count; i++) {
    if (events.rank[i] !== first || (stepCode >= 0 && events.name.codes[i] !== stepCode)) continue;
    const code = events.phase.codes[i] ?? 0;
    let phase = phases.get(code);
    if (!phase) phases.set(code, (phase = { time: new IntervalBuilder(), tokens: new Map<number, number>() }));
    const start = events.startNs[i] ?? 0;
    phase.time.add(start, start + (events.durNs[i] ?? 0));
    phase.tokens.set(events.step[i] ?? -1, events.tokens[i] ?? 0);
  }
  return [...phases].map(([code, { time, tokens }]) => {
    const timeNs = lengthOf(time.build());
    const count = [...tokens.values()].reduce((sum, n) => sum + n, 0);
    return {
      phase: events.phase.texts[code] ?? "",
      steps: tokens.size,
      tokens: count,
      timeNs,
      tokensPerSecond: timeNs === 0 ? 0 : (count * 1e9) / timeNs,
    };
  });
}
