/** A recorded run: what ran, its events, and how they are looked at. */

import { dirname, resolve } from "node:path";

import { analyse } from "../../../profiler-ui/trace/analysis";
import type { CollectiveSummary } from "../../../profiler-ui/trace/collectives";
import type { EventColumns } from "../../../profiler-ui/trace/events";
import { formatBytes, formatCount, formatNumber, formatShare, formatTime } from "../../../profiler-ui/trace/format";
import { TRACE_FORMATS, type TraceFormat } from "../../../profiler-ui/trace/export/index";
import type { RunInfo } from "../../../profiler-ui/trace/run";
import { summarise, type RunSummary } from "../../../profiler-ui/trace/summary";
import { timelineSvg, type TimelineSvgOptions } from "../../../profiler-ui/trace/timeline-svg";
import { drawable, type MimeBundle } from "../display";
import { collectivesTable, opsTable, phasesTable, ranksTable } from "../draw/summary";
import { runCharts, type RunCharts } from "../draw/charts";
import { htmlFrame, htmlPicture, profilerLink } from "../draw/picture";
import { escapeHtml, htmlTable, textTable, type Table } from "../draw/table";
import { reasonOf, RunError } from "../errors";
import { invalid, nonEmptyText, oneOf } from "../options";
import { exportParquet, exportTraceFile } from "./export";
import { readEvents } from "./parquet-reader";
import { profilerView } from "./profiler-address";
import { runSql, type SqlOptions, type SqlResult } from "./sql";

/** A timeline as a picture that draws itself. */
export interface Timeline {
  /** Static, without scripts. */
  readonly svg: string;
}

export type ExportFormat = TraceFormat | "parquet";

/**
 * @example
 * const run = await profile(() => model.generate("Sherlock Holmes took"));
 * await run.timeline();
 */
export class Run {
  readonly info: RunInfo;
  /** Absolute path of the run's folder. */
  readonly folder: string;
  #events: Promise<EventColumns> | undefined;

  /** Made by `profile` and `openRun`. */
  constructor(info: RunInfo, folder: string) {
    this.info = info;
    this.folder = folder;
    drawable(this, () => drawRun(info));
  }

  get id(): string {
    return this.info.id;
  }

  /** All events by start time, as columns. Read once. @throws RunError `E_RUN_UNREADABLE` */
  events(): Promise<EventColumns> {
    this.#events ??= readEvents(this.folder);
    return this.#events;
  }

  /** Where time and bytes went, by rank, phase and op. */
  async summary(): Promise<RunSummary> {
    const summary = summarise(await this.events());
    return drawable(summary, () => drawTables([ranksTable(summary), phasesTable(summary), opsTable(summary)]));
  }

  /**
   * The timeline of all ranks, or of a window of it. While `stateline serve` has the run's folder, the live timeline stands
   * folded below the picture, with a link to the run there.
   */
  async timeline(options: TimelineSvgOptions = {}): Promise<Timeline> {
    const events = await this.events();
    const view = await profilerView(dirname(this.folder), [this.id]);
    const hash = windowHash(options);
    const svg = timelineSvg(events, { title: this.info.label, ...options });
    const plain = `timeline of ${this.info.label}: ${formatCount(events.count)} events in ${formatTime(this.info.durationNs)}`;
    return drawable({ svg }, () => ({
      "text/plain": plain,
      "text/html":
        htmlPicture(svg, plain) +
        (view === undefined ? "" : htmlFrame(view(`/frame/${this.id}${hash}`), plain)) +
        profilerLink(view?.(`/runs/${this.id}${hash}`)),
      "image/svg+xml": svg,
    }));
  }

  /**
   * The charts of the profiler's page; each draws itself, by Plotly where the viewer has it and as a picture elsewhere.
   *
   * @example
   * (await run.charts()).roofline;
   */
  async charts(): Promise<RunCharts> {
    return runCharts(analyse(await this.events(), this.info));
  }

  /** Collectives by op, wire type and algorithm: count, bytes, arrival skew, transfer. */
  async collectives(): Promise<readonly CollectiveSummary[]> {
    const { collectives } = summarise(await this.events());
    return drawable([...collectives], () => drawTables([collectivesTable(collectives)]));
  }

  /**
   * SQL on the view `events` (columns as in the Parquet files); read only, in a process of its own.
   *
   * @throws RunError `E_SQL`, `E_SQL_TOO_LONG`, `E_SQL_TOO_LARGE`; AbortedError `E_ABORTED`
   */
  sql(text: string, options?: SqlOptions): Promise<SqlResult> {
    return runSql(this.folder, text, options);
  }

  /**
   * Writes the run to a file and gives its path: "perfetto" (.pftrace), "chrome" (Kineto's JSON: one file when `file` ends
   * in .json, else a folder with a file a rank), "speedscope", "parquet" (all events in one file) or "svg" (the timeline).
   *
   * @throws OptionError; RunError `E_EXPORT`
   */
  async export(format: ExportFormat, file: string): Promise<string> {
    const formats = oneOf<ExportFormat>(...TRACE_FORMATS, "parquet");
    if (!formats.accepts(format)) invalid("format", formats.expected, format);
    if (!nonEmptyText.accepts(file)) invalid("file", nonEmptyText.expected, file);
    const path = resolve(file);
    try {
      if (format === "parquet") await exportParquet(this.folder, path);
      else await exportTraceFile(format, await this.events(), this.info, path);
    } catch (error) {
      if (error instanceof RunError) throw error;
      const reason = reasonOf(error);
      throw new RunError(
        "E_EXPORT",
        `cannot export ${this.id} to ${path}: ${reason}`,
        { id: this.id, path },
        { cause: error },
      );
    }
    return path;
  }
}

/** The page's hash for a window. */
function windowHash({ fromNs, toNs }: TimelineSvgOptions): string {
  return fromNs === undefined || toNs === undefined ? "" : `#from=${Math.round(fromNs)}&to=${Math.round(toNs)}`;
}

export function drawTables(tables: readonly Table[]): MimeBundle {
  return { "text/plain": tables.map(textTable).join("\n\n"), "text/html": tables.map(htmlTable).join("") };
}

/** What ran, in a few lines; summary and timeline are drawn on request. */
function drawRun(info: RunInfo): MimeBundle {
  const { overhead, machine, requests, lost } = info;
  const wires = Object.entries(info.allReduce).map(([name, type]) => `${name} ${type}`);
  const facts: [string, string][] = [
    ["run", info.status === "complete" ? info.id : `${info.id} (${info.status})`],
    [
      "model",
      `${info.model.name}, ${formatCount(info.model.parameters)} parameters, ${info.computeType} on ${info.device} (${machine.isa})`,
    ],
    ["ranks", `${info.tensorParallel}${wires.length > 0 ? `, AllReduce: ${wires.join(", ")}` : ""}`],
    [
      "events",
      `${formatCount(info.events)} in ${formatTime(info.durationNs)}${lost > 0 ? `; ${formatCount(lost)} lost to full buffers` : ""}`,
    ],
    ["recording", `${formatShare(overhead.share)} of the ranks' time (${formatNumber(overhead.nsPerSpan)} ns a span)`],
    ...(info.link ? [["link", info.link] satisfies [string, string]] : []),
    ...(info.gpus ? [["GPUs", info.gpus.join(", ")] satisfies [string, string]] : []),
    ...(info.decodeSteps ? [["decode", info.decodeSteps] satisfies [string, string]] : []),
  ];
  const served: Table = {
    columns: ["request", "prompt tokens", "new tokens", "first token", "tokens/s", "sent"].map((title) => ({
      title,
      align: "right",
    })),
    rows: requests.map((one) => [
      String(one.request),
      String(one.promptTokens),
      String(one.newTokens),
      `${formatNumber(one.ttftMs)} ms`,
      formatNumber(one.decodeTokensPerSecond),
      formatBytes(one.wireBytes),
    ]),
  };
  const tables = requests.length > 0 ? [served] : [];
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
  const items = facts.map(
    ([name, text]) =>
      `<tr><th style="text-align:left">${name}</th><td style="text-align:left">${escapeHtml(text)}</td></tr>`,
  );
  return {
    "text/plain": [info.label, lines.join("\n"), ...tables.map(textTable)].join("\n\n"),
    "text/html": `<p><b>${escapeHtml(info.label)}</b></p><table>${items.join("")}</table>${tables.map(htmlTable).join("")}`,
  };
}
