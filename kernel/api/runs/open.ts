/** Finding recorded runs, and two of them side by side. */

import { access, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

import { compareRuns, type RunComparison } from "../../../profiler-ui/trace/compare";
import type { RunInfo } from "../../../profiler-ui/trace/run";
import { timelineSvg } from "../../../profiler-ui/trace/timeline-svg";
import { drawable } from "../display";
import { comparisonCharts, type ComparisonCharts } from "../draw/comparison-charts";
import { htmlPicture, profilerLink } from "../draw/picture";
import { comparisonTable } from "../draw/summary";
import { htmlTable, textTable, type Table } from "../draw/table";
import { formatCount, formatTime } from "../../../profiler-ui/trace/format";
import { checkOptions, invalid, nonEmptyText } from "../options";
import { readInfo } from "./folder";
import { Run } from "./run";
import { profilerView } from "./profiler-address";
import { FolderRunSource } from "./source";

export interface RunsOptions {
  /** Folder of runs; STATELINE_RUNS or `runs` unless given. */
  readonly runs?: string;
}

/**
 * Opens a run by its id, or by the path of its folder.
 *
 * @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_UNREADABLE`
 */
export async function openRun(idOrFolder: string, options?: RunsOptions): Promise<Run> {
  if (!nonEmptyText.accepts(idOrFolder)) invalid("run", nonEmptyText.expected, idOrFolder);
  const { runs } = checkOptions("openRun", options, { runs: nonEmptyText });
  const folder = resolve(idOrFolder);
  const isFolder = await access(join(folder, "run.json")).then(
    () => true,
    () => false,
  );
  if (isFolder) return new Run(await readInfo(await realpath(folder), basename(folder)), folder);
  const source = new FolderRunSource(runs);
  return new Run(await source.info(idOrFolder), join(source.folder, idOrFolder));
}

/** All runs of a folder, newest first. */
export async function listRuns(options?: RunsOptions): Promise<RunInfo[]> {
  const { runs } = checkOptions("listRuns", options, { runs: nonEmptyText });
  const list = await new FolderRunSource(runs).list();
  const table = runsTable(list);
  return drawable(list, () => ({ "text/plain": textTable(table), "text/html": htmlTable(table) }));
}

export function runsTable(list: readonly RunInfo[]): Table {
  return {
    columns: [
      { title: "id" },
      { title: "label" },
      { title: "status" },
      { title: "ranks", align: "right" },
      { title: "events", align: "right" },
      { title: "time", align: "right" },
    ],
    rows: list.map((run) => [
      run.id,
      run.label,
      run.status,
      String(run.tensorParallel),
      formatCount(run.events),
      formatTime(run.durationNs),
    ]),
    ...(list.length === 0 ? { note: "no runs yet: `stateline generate --record` makes one" } : {}),
  };
}

async function opened(run: Run | string): Promise<Run> {
  return run instanceof Run ? run : openRun(run);
}

/** Two runs side by side: draws itself. */
export interface Comparison extends RunComparison {
  /** Its charts; each draws itself. */
  charts(): ComparisonCharts;
}

/**
 * Compares run `b` with run `a`, the baseline: time by kind and op, the wire, a sentence that says it.
 *
 * @example
 * const difference = compare(await openRun(f16), await openRun(int8));
 */
export async function compare(a: Run | string, b: Run | string): Promise<Comparison> {
  const [first, second] = [await opened(a), await opened(b)];
  const [ofA, ofB] = await Promise.all([first.events(), second.events()]);
  const comparison = compareRuns({ info: first.info, events: ofA }, { info: second.info, events: ofB });
  const folder = dirname(first.folder);
  // A page compares runs of one folder.
  const ids = [first.id, second.id];
  const view = folder === dirname(second.folder) ? await profilerView(folder, ids) : undefined;
  const whole: Comparison = { ...comparison, charts: () => comparisonCharts(comparison) };
  return drawable(whole, () => {
    const table = comparisonTable(comparison);
    // One scale for both, or the shorter run would look as long as the other.
    const toNs = Math.max(comparison.summaries.a.durationNs, comparison.summaries.b.durationNs);
    const pictures = [first, second].map(({ info }, i) =>
      htmlPicture(timelineSvg(i === 0 ? ofA : ofB, { title: info.label, toNs }), `timeline of ${info.label}`),
    );
    return {
      "text/plain": textTable(table),
      "text/html": htmlTable(table) + pictures.join("") + profilerLink(view?.(`/compare?a=${first.id}&b=${second.id}`)),
    };
  });
}
