/** What a run was, in a line or two. */

import { formatCount, formatShare, formatTime } from "../trace/format";
import type { RunListing, RunName } from "../trace/listing";
import type { RunInfo } from "../trace/run";
import { el } from "./dom";

/** "mamba-130m · 2 ranks · f32 · AllReduce int8" */
export function titleOf(run: RunName): string {
  return run.label || `${run.model.name}, ${ranksOf(run)}, ${wiresOf(run)}`;
}

export function ranksOf({ tensorParallel }: RunName): string {
  return `${tensorParallel} ${tensorParallel === 1 ? "rank" : "ranks"}`;
}

/** "x_proj f32, out_proj int8"; "none" for a single rank. */
export function wiresOf(run: RunName): string {
  if (run.tensorParallel < 2) return "none";
  const wires = Object.entries(run.allReduce).map(([op, wire]) => `${op} ${wire}`);
  return wires.length === 0 ? "none" : wires.join(", ");
}

/** "f32, int8": the wires without the ops, each once. */
export function shortWiresOf(run: RunName): string {
  const all = Object.values(run.allReduce).flatMap((wires) => wires.split(", "));
  const wires = run.tensorParallel < 2 ? [] : [...new Set(all)];
  return wires.length === 0 ? "none" : wires.join(", ");
}

/** Date and time of the reader's place, to the second, which tells repetitions apart: 2026-03-01 12:00:07. */
export function dateOf({ createdAt }: RunName): string {
  const date = new Date(createdAt);
  if (Number.isNaN(date.getTime())) return createdAt;
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${day} ${time}`;
}

/** A mark for runs that are not whole. */
export function statusBadge({ status, lost }: Pick<RunListing, "status" | "lost">): Node[] {
  const badges: Node[] = [];
  if (status === "interrupted")
    badges.push(
      el(
        "span",
        { class: "badge warn", title: "The process that recorded it ended before the run did." },
        "interrupted",
      ),
    );
  if (status === "recording") badges.push(el("span", { class: "badge" }, "recording"));
  if (lost > 0)
    badges.push(
      el(
        "span",
        { class: "badge warn", title: "Spans that did not fit into the buffer." },
        `${formatCount(lost)} spans lost`,
      ),
    );
  return badges;
}

export function tagBadges({ tags = [] }: Pick<RunListing, "tags">): Node[] {
  return tags.map((tag) => el("span", { class: "badge tag" }, tag));
}

/** "cpu, avx2, 16 cores"; an imported run knows the device's name alone. */
function deviceOf({ device, machine }: RunInfo): string {
  return machine.isa === ""
    ? device
    : `${device}, ${machine.isa}, ${machine.cores} ${machine.cores === 1 ? "core" : "cores"}`;
}

/** The run's facts as a list of terms; what an imported run does not know is left out. */
export function factList(run: RunInfo): HTMLElement {
  const { model, overhead } = run;
  const facts: readonly (readonly [string, string])[] = [
    [
      "model",
      model.layers > 0
        ? `${model.name} (${formatCount(model.parameters)} parameters, ${model.layers} layers)`
        : model.name,
    ],
    [
      "tensor parallel",
      run.threadsPerRank > 0
        ? `${ranksOf(run)}, ${run.threadsPerRank} ${run.threadsPerRank === 1 ? "thread" : "threads"} each`
        : ranksOf(run),
    ],
    ["compute", run.computeType],
    ["AllReduce", wiresOf(run)],
    ["chosen", run.tensorParallel < 2 ? "" : (run.allReduceReason ?? "")],
    ["device", deviceOf(run)],
    ["recorded", dateOf(run)],
    ["length", `${formatTime(run.durationNs)}, ${formatCount(run.events)} ${run.events === 1 ? "span" : "spans"}`],
    ["recording cost", overhead.spans > 0 ? `${formatShare(overhead.share)} of step time` : ""],
    ["link", run.link ?? ""],
    ["GPUs of ranks", (run.gpus ?? []).join(", ")],
    ["decode steps", run.decodeSteps ?? ""],
  ];
  return el(
    "dl",
    { class: "facts" },
    ...facts
      .filter(([, value]) => value !== "")
      .map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))),
  );
}
