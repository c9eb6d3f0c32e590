/** What is said of a span, in the same words on the hover card, in the details and to screen readers. */

import { formatBytes, formatCount, formatRate, formatTime } from "../../trace/format";
import { KIND_LABELS, KINDS, kindIndex } from "../../trace/kinds";
import { placeOf } from "./draw-overlay";
import type { SpanRef } from "../../trace/lane-view";

export type Fact = readonly [label: string, value: string];

export function nameOf({ lane: { events }, index }: SpanRef): string {
  return events.name.texts[events.name.codes[index] ?? 0] ?? "";
}

export function kindOf({ lane: { events }, index }: SpanRef): (typeof KINDS)[number] {
  return KINDS[kindIndex(events.kind.texts[events.kind.codes[index] ?? 0] ?? "")] ?? "host";
}

/** Where the span stands in the model's work: "decode step 12 · layer 3". */
export function contextOf({ lane: { events }, index }: SpanRef): string {
  const phase = events.phase.texts[events.phase.codes[index] ?? 0] ?? "";
  const layer = events.layer[index] ?? -1;
  return `${phase} step ${events.step[index] ?? 0}${layer < 0 ? "" : ` · layer ${layer}`}`;
}

/** Everything recorded of a span, less what it does not have. */
export function factsOf(span: SpanRef): Fact[] {
  const { events } = span.lane;
  const i = span.index;
  const seconds = (events.durNs[i] ?? 0) / 1e9;
  const flops = events.flops[i] ?? 0;
  const bytes = events.bytes[i] ?? 0;
  const wireBytes = events.wireBytes[i] ?? 0;
  const wireType = events.wireType.texts[events.wireType.codes[i] ?? 0] ?? "";
  const algorithm = events.algorithm.texts[events.algorithm.codes[i] ?? 0] ?? "";
  const seq = events.seq[i] ?? -1;
  const rate = (amount: number, unit: string): string =>
    seconds > 0 ? ` (${formatRate(amount / seconds, unit)})` : "";
  const facts: (Fact | null)[] = [
    ["kind", KIND_LABELS[kindOf(span)]],
    ["duration", formatTime(events.durNs[i] ?? 0)],
    ["start", formatTime(events.startNs[i] ?? 0)],
    ["where", placeOf(span.lane)],
    ["when", contextOf(span)],
    [
      "tokens",
      `${formatCount(events.tokens[i] ?? 0)} in ${formatCount(events.sequences[i] ?? 0)} ${events.sequences[i] === 1 ? "sequence" : "sequences"}`,
    ],
    flops > 0 ? ["arithmetic", `${formatRate(flops, "FLOP")}${rate(flops, "FLOP/s")}`] : null,
    bytes > 0 ? ["memory", `${formatBytes(bytes)}${rate(bytes, "B/s")}`] : null,
    wireType === "" ? null : ["wire", [wireType, algorithm].filter((text) => text !== "").join(", ")],
    wireBytes > 0 ? ["sent", `${formatBytes(wireBytes)}${rate(wireBytes, "B/s")}`] : null,
    seq >= 0 ? ["collective", `number ${formatCount(seq)} of group ${events.group[i] ?? 0}`] : null,
    (events.request[i] ?? -1) >= 0 ? ["request", String(events.request[i])] : null,
    (events.cell[i] ?? -1) >= 0 ? ["notebook cell", String(events.cell[i])] : null,
  ];
  return facts.filter((fact) => fact !== null);
}
