/** What a comparison comes to, in words. */

import { excludesZero } from "./bootstrap";
import type { Compared, ComparedCollective, ComparedPhase, RunComparison } from "./compare";
import { formatBytes, formatChange, formatCount, formatShare, formatSpeed, formatTime } from "./format";
import { agrees } from "./pairing";

/** Differences below this share of the baseline are called none: repeated runs of one program differ by as much. */
const NOTICEABLE = 0.02;

type Facts = Omit<RunComparison, "verdict">;

/** One or two sentences: speed of each phase, what the wire saved, what collectives then cost. */
export function verdictOf(facts: Facts): string {
  if (facts.summaries.a.events === 0 || facts.summaries.b.events === 0)
    return "A run without events cannot be compared.";
  const speed = facts.phases.filter(({ tokensPerSecond: { a, b } }) => a > 0 && b > 0).map(speedClause);
  const first = speed.length > 0 ? speed.join("; ") : stepClause(facts.step);
  return [`${capitalised(first)}.`, workSentence(facts), wireSentence(facts), ledgerSentence(facts)]
    .filter(Boolean)
    .join(" ");
}

function speedClause(phase: Facts["phases"][number]): string {
  const { a, b } = phase.tokensPerSecond;
  const rates = `${formatSpeed(a)} → ${formatSpeed(b)}`;
  if (a === b) return `${phase.phase} shows no difference (${rates})`;
  if (!phase.paired || phase.paired.pairs < 5) {
    const steps = phase.paired?.pairs ?? 0;
    return `${phase.phase} has ${steps} ${steps === 1 ? "step" : "steps"} in common, too few to tell (${rates})`;
  }
  const change = changeOf(phase.tokensPerSecond);
  if (Math.abs(change) < NOTICEABLE) return `${phase.phase} shows no difference (${rates})`;
  if (!isDifferent(phase)) return `${phase.phase} shows no difference beyond chance (${rates})`;
  return `${phase.phase} is ${formatShare(Math.abs(change))} ${change > 0 ? "faster" : "slower"} (${rates})`;
}

/** A difference in speed is one when it is noticeable, beyond chance, and most steps went the same way as their sum. */
export function isDifferent({ tokensPerSecond, paired }: ComparedPhase): boolean {
  const change = changeOf(tokensPerSecond);
  // Pairs are of times: faster means a negative difference.
  return Math.abs(change) >= NOTICEABLE && agrees(paired, -change);
}

/**
 * Whether a difference in AllReduce time is beyond chance: skew and transfer of all collectives, pair by pair, go its way even
 * at the near ends of their intervals.
 */
export function isBorneOut({ difference }: Compared, collectives: readonly ComparedCollective[]): boolean {
  const parts = collectives
    .flatMap(({ paired: { transfer, skew } }) => [transfer, skew])
    .filter((part) => part !== null);
  const end = (which: "low" | "high"): number =>
    parts.reduce((sum, { pairs, interval }) => sum + pairs * (interval?.[which] ?? NaN), 0);
  return difference < 0 ? end("high") < 0 : end("low") > 0;
}

/** Whether both runs had the same tokens to work on: only then do their totals compare. */
export function isOfEqualWork(phases: Facts["phases"]): boolean {
  return phases.every(({ tokens }) => tokens.difference === 0);
}

/** Says of what does not compare that it does not: other models, totals of unequal work. */
function workSentence({ a, b, phases }: Facts): string {
  if (a.model.name !== b.model.name)
    return `The models differ, ${a.model.name} and ${b.model.name}: so does what their ranks compute.`;
  if (isOfEqualWork(phases)) return "";
  const unequal = phases.filter(({ tokens }) => tokens.difference !== 0);
  const counts = unequal.map(
    ({ phase, tokens }) => `${formatCount(tokens.a)} and ${formatCount(tokens.b)} tokens of ${phase}`,
  );
  return `The runs had unequal work, ${counts.join(", ")}: their totals do not compare, speeds and calls do.`;
}

function stepClause(step: Compared): string {
  const times = `${formatTime(step.a)} → ${formatTime(step.b)} a rank`;
  const change = changeOf(step);
  if (Math.abs(change) < NOTICEABLE) return `no difference in time (${times})`;
  return `${formatShare(Math.abs(change))} ${change < 0 ? "less" : "more"} time (${times})`;
}

function wireSentence({ wireBytes, exposed, collectives }: Facts): string {
  if (wireBytes.a === 0 && wireBytes.b === 0) return "Neither run sends bytes between ranks.";
  const bytes = `${formatBytes(wireBytes.a)} → ${formatBytes(wireBytes.b)}`;
  const wire =
    wireBytes.difference === 0
      ? `The wire carries the same ${formatBytes(wireBytes.a)}`
      : `The wire carries ${bytes}${wireBytes.ratio === null ? "" : ` (${formatChange(wireBytes.ratio - 1)})`}`;
  const times = `${formatTime(exposed.a)} → ${formatTime(exposed.b)} a rank`;
  if (exposed.a === 0 && exposed.b === 0) return `${wire}.`;
  if (exposed.a === 0)
    return `${wire}; AllReduce that compute does not hide takes ${formatTime(exposed.b)} a rank in B, none in A.`;
  if (Math.abs(changeOf(exposed)) < NOTICEABLE)
    return `${wire}; AllReduce time that compute does not hide stays (${times}).`;
  if (!isBorneOut(exposed, collectives))
    return `${wire}; AllReduce time that compute does not hide shows no difference beyond chance (${times}).`;
  return `${wire}; AllReduce time that compute does not hide ${exposed.difference < 0 ? "falls" : "rises"} by ${formatTime(Math.abs(exposed.difference))} (${times}).`;
}

/** What the transfer gained and what the codec cost, where the wire differs and the pairs are sure of it. */
function ledgerSentence({ wireBytes, ledger, collectives }: Facts): string {
  if (wireBytes.difference === 0) return "";
  const wired = collectives.filter(({ wireBytes: bytes }) => bytes.difference !== 0);
  const sure = wired.filter(({ paired }) => paired.transfer && excludesZero(paired.transfer.interval));
  const codec = compareSum(ledger.quantise, ledger.dequantise);
  const moving = `moving bytes ${gain(ledger.moving)}`;
  const cost = `quantising and dequantising ${codec.difference < 0 ? "gain" : "cost"} ${formatTime(Math.abs(codec.difference))}`;
  const net = compareSum(ledger.moving, codec);
  const call = sure
    .map(({ name, paired }) => {
      const mean = paired.transfer?.meanDifferenceNs ?? 0;
      return `${name} takes ${formatTime(Math.abs(mean))} ${mean < 0 ? "less" : "more"} a call`;
    })
    .join("; ");
  const summary = `In all, ${moving} and ${cost}, ${formatTime(Math.abs(net.difference))} ${net.difference < 0 ? "less" : "more"} together`;
  if (call === "") return `${summary}, but pair by pair the transfers show no difference beyond chance.`;
  return `${summary}: ${call}, beyond chance.`;
}

function gain({ difference }: Compared): string {
  return `${difference < 0 ? "gains" : "costs"} ${formatTime(Math.abs(difference))}`;
}

function compareSum(x: Compared, y: Compared): Compared {
  const a = x.a + y.a;
  const b = x.b + y.b;
  return { a, b, difference: b - a, ratio: a === 0 ? null : b / a };
}

function changeOf({ a, b }: Compared): number {
  return a === 0 ? 0 : b / a - 1;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
