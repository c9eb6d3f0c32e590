/** Two runs side by side: what changed by kind, by op, on the wire and per phase, and one sentence that says it. */

import { matchCollectives, skewOf, transferOf, type Collective, type CollectiveSummary } from "./collectives";
import type { EventColumns } from "./events";
import { KINDS, type Kind } from "./kinds";
import { pairCollectives, pairOps, pairSteps, type CollectiveTime, type PairedOp } from "./pairing";
import type { RunInfo } from "./run";
import { summarise, type OpSummary, type RunSummary } from "./summary";
import { verdictOf } from "./verdict";

/** A run with its events, and their summary where it is known. */
export interface RunData {
  readonly info: RunInfo;
  readonly events: EventColumns;
  readonly summary?: RunSummary;
}

/** One quantity in both runs. */
export interface Compared {
  readonly a: number;
  readonly b: number;
  /** b - a, in the quantity's unit. */
  readonly difference: number;
  /** b / a; null when a is 0. */
  readonly ratio: number | null;
}

export interface ComparedKind extends Compared {
  readonly kind: Kind | "idle";
}

export interface ComparedOp {
  readonly name: string;
  readonly kind: Kind;
  readonly nested: boolean;
  /** The run that alone has the op, null when both have it. */
  readonly onlyIn: "a" | "b" | null;
  readonly count: Compared;
  /** Mean over ranks of the op's total, nanoseconds. */
  readonly total: Compared;
  /** Nanoseconds a call. */
  readonly mean: Compared;
  readonly wireBytes: Compared;
  /** Same rank, step, layer and ordinal in both runs; null when nothing pairs. */
  readonly paired: PairedOp | null;
}

export interface ComparedCollective {
  readonly name: string;
  readonly a: CollectiveSummary | null;
  readonly b: CollectiveSummary | null;
  /** Bytes sent, all ranks together. */
  readonly wireBytes: Compared;
  /** Mean time from last arrival to end, nanoseconds. */
  readonly transfer: Compared;
  /** Mean time from first arrival to last, nanoseconds. */
  readonly skew: Compared;
  /** The same collective in both runs; null when none pairs. */
  readonly paired: Readonly<Record<CollectiveTime, PairedOp | null>>;
}

/**
 * Where the collectives' time goes: from first arrival to last (`waiting`), `moving` bytes, and what the ops inside
 * cost a rank. They add up to `total`, from each collective's first arrival to its end.
 */
export interface CollectiveLedger {
  readonly waiting: Compared;
  readonly moving: Compared;
  /** Turning values into what the wire carries. */
  readonly quantise: Compared;
  /** Back again, and adding up. */
  readonly dequantise: Compared;
  readonly total: Compared;
}

export interface ComparedPhase {
  readonly phase: string;
  readonly tokens: Compared;
  readonly time: Compared;
  readonly tokensPerSecond: Compared;
  /** The same step in both runs; null when none pairs. */
  readonly paired: PairedOp | null;
}

export interface RunComparison {
  readonly a: RunInfo;
  readonly b: RunInfo;
  readonly summaries: { readonly a: RunSummary; readonly b: RunSummary };
  /** Mean over ranks of the step time, nanoseconds. */
  readonly step: Compared;
  /** Mean over ranks of each kind's own time (`KindTime.ownNs`) and of idle; they add up to `step`. */
  readonly kinds: readonly ComparedKind[];
  /** Mean over ranks of the collective time that no compute hid. */
  readonly exposed: Compared;
  /** Largest absolute difference of totals first; nested ops after the others. */
  readonly ops: readonly ComparedOp[];
  readonly collectives: readonly ComparedCollective[];
  readonly ledger: CollectiveLedger;
  /** Bytes sent, all ranks together. */
  readonly wireBytes: Compared;
  readonly phases: readonly ComparedPhase[];
  /** One or two sentences with the numbers that matter. */
  readonly verdict: string;
}

export function compared(a: number, b: number): Compared {
  return { a, b, difference: b - a, ratio: a === 0 ? null : b / a };
}

/** Compares run `b` with run `a`, the baseline. */
export function compareRuns(a: RunData, b: RunData): RunComparison {
  const summaries = { a: a.summary ?? summarise(a.events), b: b.summary ?? summarise(b.events) };
  const mean = (pick: (rank: RunSummary["ranks"][number]) => number): Compared =>
    compared(meanOver(summaries.a, pick), meanOver(summaries.b, pick));
  const matched = { a: matchCollectives(a.events), b: matchCollectives(b.events) };
  const pairs = pairCollectives(a.events, b.events, matched.a, matched.b);
  const comparison = {
    a: a.info,
    b: b.info,
    summaries,
    step: mean((rank) => rank.stepNs),
    kinds: [
      ...KINDS.map((kind, k) => ({ kind, ...mean((rank) => rank.kinds[k]?.ownNs ?? 0) })),
      { kind: "idle" as const, ...mean((rank) => rank.idleNs) },
    ],
    exposed: mean((rank) => rank.exposedNs),
    ops: compareOps(summaries.a, summaries.b, pairOps(a.events, b.events)),
    collectives: compareCollectives(summaries.a, summaries.b, pairs),
    ledger: ledgerOf(summaries, matched),
    wireBytes: compared(summaries.a.wireBytes, summaries.b.wireBytes),
    phases: comparePhases(summaries.a, summaries.b, pairSteps(a.events, b.events)),
  };
  return { ...comparison, verdict: verdictOf(comparison) };
}

function meanOver(summary: RunSummary, pick: (rank: RunSummary["ranks"][number]) => number): number {
  if (summary.ranks.length === 0) return 0;
  return summary.ranks.reduce((sum, rank) => sum + pick(rank), 0) / summary.ranks.length;
}

function compareOps(a: RunSummary, b: RunSummary, pairs: ReadonlyMap<string, PairedOp>): ComparedOp[] {
  const ofA = new Map(a.ops.map((op) => [op.name, op]));
  const ofB = new Map(b.ops.map((op) => [op.name, op]));
  const names = new Set([...ofA.keys(), ...ofB.keys()]);
  const perRank = (op: OpSummary | undefined, run: RunSummary): number =>
    (op?.totalNs ?? 0) / Math.max(1, run.ranks.length);
  return [...names]
    .flatMap((name): ComparedOp[] => {
      const opA = ofA.get(name);
      const opB = ofB.get(name);
      const either = opA ?? opB;
      if (!either) return [];
      return [
        {
          name,
          kind: either.kind,
          nested: either.nested,
          onlyIn: opA ? (opB ? null : "a") : "b",
          count: compared(opA?.count ?? 0, opB?.count ?? 0),
          total: compared(perRank(opA, a), perRank(opB, b)),
          mean: compared(opA?.meanNs ?? 0, opB?.meanNs ?? 0),
          wireBytes: compared(opA?.wireBytes ?? 0, opB?.wireBytes ?? 0),
          paired: pairs.get(name) ?? null,
        },
      ];
    })
    .sort((x, y) => Number(x.nested) - Number(y.nested) || Math.abs(y.total.difference) - Math.abs(x.total.difference));
}

function ledgerOf(
  { a, b }: RunComparison["summaries"],
  matched: Readonly<Record<"a" | "b", readonly Collective[]>>,
): CollectiveLedger {
  const times = (run: RunSummary, collectives: readonly Collective[]): Record<keyof CollectiveLedger, number> => {
    const seen = collectives.filter(({ spans }) => spans.length > 1);
    const sum = (of: (collective: Collective) => number): number => seen.reduce((total, one) => total + of(one), 0);
    const cost = (...names: string[]): number =>
      run.ops
        .filter(({ name, nested }) => nested && names.includes(name))
        .reduce((total, op) => total + op.totalNs, 0) / Math.max(1, run.ranks.length);
    const waiting = sum(skewOf);
    const transfer = sum(transferOf);
    const quantise = Math.min(cost("quantise"), transfer);
    const dequantise = Math.min(cost("dequantise", "reduce"), transfer - quantise);
    return { waiting, moving: transfer - quantise - dequantise, quantise, dequantise, total: waiting + transfer };
  };
  const inA = times(a, matched.a);
  const inB = times(b, matched.b);
  const both = (part: keyof CollectiveLedger): Compared => compared(inA[part], inB[part]);
  return {
    waiting: both("waiting"),
    moving: both("moving"),
    quantise: both("quantise"),
    dequantise: both("dequantise"),
    total: both("total"),
  };
}

function compareCollectives(
  a: RunSummary,
  b: RunSummary,
  pairs: Readonly<Record<CollectiveTime, ReadonlyMap<string, PairedOp>>>,
): ComparedCollective[] {
  const names = new Set([...a.collectives, ...b.collectives].map(({ name }) => name));
  return [...names].map((name) => {
    // An op may use several wires in one run (int8 only above the crossover); its main one stands for it.
    const inA = a.collectives.filter((collective) => collective.name === name);
    const inB = b.collectives.filter((collective) => collective.name === name);
    return {
      name,
      a: inA[0] ?? null,
      b: inB[0] ?? null,
      wireBytes: compared(sumBytes(inA), sumBytes(inB)),
      transfer: compared(meanOf(inA, "meanTransferNs"), meanOf(inB, "meanTransferNs")),
      skew: compared(meanOf(inA, "meanSkewNs"), meanOf(inB, "meanSkewNs")),
      paired: { transfer: pairs.transfer.get(name) ?? null, skew: pairs.skew.get(name) ?? null },
    };
  });
}

function sumBytes(collectives: readonly CollectiveSummary[]): number {
  return collectives.reduce((sum, { wireBytes }) => sum + wireBytes, 0);
}

function meanOf(collectives: readonly CollectiveSummary[], field: "meanTransferNs" | "meanSkewNs"): number {
  const count = collectives.reduce((sum, collective) => sum + collective.count, 0);
  return count === 0
    ? 0
    : collectives.reduce((sum, collective) => sum + collective[field] * collective.count, 0) / count;
}

function comparePhases(a: RunSummary, b: RunSummary, pairs: ReadonlyMap<string, PairedOp>): ComparedPhase[] {
  const names = new Set([...a.phases, ...b.phases].map(({ phase }) => phase));
  return [...names].map((phase) => {
    const inA = a.phases.find((candidate) => candidate.phase === phase);
    const inB = b.phases.find((candidate) => candidate.phase === phase);
    return {
      phase,
      tokens: compared(inA?.tokens ?? 0, inB?.tokens ?? 0),
      time: compared(inA?.timeNs ?? 0, inB?.timeNs ?? 0),
      tokensPerSecond: compared(inA?.tokensPerSecond ?? 0, inB?.tokensPerSecond ?? 0),
      paired: pairs.get(phase) ?? null,
    };
  });
}
