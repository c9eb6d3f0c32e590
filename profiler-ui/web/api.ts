/** The server's answers, typed. */

import type { RunAnalysis } from "../trace/analysis";
import type { CollectivePage, CollectiveQuery } from "../trace/collective-table";
import type { RunComparison } from "../trace/compare";
import { RunError } from "../trace/errors";
import type { EventColumns } from "../trace/events";
import { spanText, type LaneInfo, type SpanKey } from "../trace/lane-view";
import type { RunListing } from "../trace/listing";
import type { Look } from "../trace/look";
import type { Marks } from "../trace/marks";
import type { RunInfo, RunNotes, SqlAnswer } from "../trace/run";
import type { RunSummary } from "../trace/summary";
import { decodeEvents, decodeMarks } from "../trace/wire-format";

export function fetchRuns(): Promise<RunListing[]> {
  return json<RunListing[]>("/api/runs");
}

export function fetchRun(id: string): Promise<RunInfo> {
  return json<RunInfo>(`/api/runs/${encodeURIComponent(id)}`);
}

export function fetchSummary(id: string): Promise<RunSummary> {
  return json<RunSummary>(`/api/runs/${encodeURIComponent(id)}/summary`);
}

export function fetchCollectives(id: string, query: CollectiveQuery): Promise<CollectivePage> {
  const { corrected = false, name = "", class: ofClass = "", sort, descending, offset, limit } = query;
  const fields = new URLSearchParams({
    name,
    class: ofClass,
    sort,
    order: descending ? "descending" : "ascending",
    offset: String(offset),
    limit: String(limit),
    clocks: corrected ? "corrected" : "recorded",
  });
  return json<CollectivePage>(`/api/runs/${encodeURIComponent(id)}/collectives?${fields.toString()}`);
}

export function fetchAnalysis(id: string): Promise<RunAnalysis> {
  return json<RunAnalysis>(`/api/runs/${encodeURIComponent(id)}/analysis`);
}

export function fetchComparison(a: string, b: string): Promise<RunComparison> {
  return json<RunComparison>(`/api/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}`);
}

export function fetchLanes(id: string): Promise<LaneInfo[]> {
  return json<LaneInfo[]>(`/api/runs/${encodeURIComponent(id)}/lanes`);
}

/** What draws a run soonest, less than its overview if it is long. */
export function fetchSketch(id: string): Promise<Marks> {
  return marks(`/api/runs/${encodeURIComponent(id)}/sketch`);
}

export function fetchOverview(id: string): Promise<Marks> {
  return marks(`/api/runs/${encodeURIComponent(id)}/overview`);
}

export function fetchTile(id: string, rank: number, stream: number, tile: number): Promise<EventColumns> {
  return columns(`/api/runs/${encodeURIComponent(id)}/lanes/${rank}/${stream}/${tile}`);
}

/** Questions about the spans of a run that is too long for the page. */
export function lookForJson<T>(id: string, look: Look): Promise<T> {
  return json<T>(lookPath(id, look));
}

/** Null where there is no such thing. */
export async function lookForMarks(id: string, look: Look): Promise<Marks | null> {
  const bytes = await (await answer(lookPath(id, look))).arrayBuffer();
  return bytes.byteLength === 0 ? null : decodeMarks(bytes);
}

export async function lookForEvents(id: string, look: Look): Promise<EventColumns | null> {
  const bytes = await (await answer(lookPath(id, look))).arrayBuffer();
  return bytes.byteLength === 0 ? null : decodeEvents(bytes);
}

function lookPath(id: string, look: Look): string {
  const text = (value: string | number | boolean | SpanKey): string =>
    typeof value === "object" ? spanText(value) : String(value);
  const fields = Object.entries(look).flatMap(([name, value]: [string, string | number | boolean | SpanKey | null]) =>
    value === null ? [] : [[name, text(value)]],
  );
  return `/api/runs/${encodeURIComponent(id)}/look?${new URLSearchParams(fields).toString()}`;
}

export function fetchSql(id: string, sql: string): Promise<SqlAnswer> {
  return json<SqlAnswer>(`/api/runs/${encodeURIComponent(id)}/sql`, send("POST", { sql }));
}

export function annotateRun(id: string, notes: RunNotes): Promise<RunNotes> {
  return json<RunNotes>(`/api/runs/${encodeURIComponent(id)}`, send("PATCH", notes));
}

export async function deleteRun(id: string): Promise<void> {
  await answer(`/api/runs/${encodeURIComponent(id)}`, { method: "DELETE" });
}

export async function restoreRun(id: string): Promise<void> {
  await answer(`/api/runs/${encodeURIComponent(id)}/restore`, { method: "POST" });
}

/** Makes a run of traces of other tools: one file, or a file a rank. */
export function importFiles(files: readonly File[]): Promise<RunInfo> {
  const named = JSON.stringify(files.map(({ name, size }) => ({ name, bytes: size })));
  const body = new Blob([...files], { type: "application/octet-stream" });
  return json<RunInfo>(`/api/imports?files=${encodeURIComponent(named)}`, { method: "POST", body });
}

/** Address of a run as a file. */
export function exportAddress(id: string, format: string, rank?: number): string {
  const fields = new URLSearchParams(rank === undefined ? {} : { rank: String(rank) });
  const key = viewKey();
  if (key !== null) fields.set("view", key);
  return `/api/runs/${encodeURIComponent(id)}/export/${format}${fields.size > 0 ? `?${fields.toString()}` : ""}`;
}

function send(method: string, body: unknown): RequestInit {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await (await answer(path, init)).json()) as T;
}

async function columns(path: string): Promise<EventColumns> {
  return decodeEvents(await (await answer(path)).arrayBuffer());
}

async function marks(path: string): Promise<Marks> {
  return decodeMarks(await (await answer(path)).arrayBuffer());
}

/** What a notebook leads to has a key in its address: in a frame there are no cookies. */
function viewKey(): string | null {
  return new URLSearchParams(location.search).get("view");
}

/** @throws RunError with the server's code, or `E_SERVER_UNREACHABLE` */
async function answer(path: string, init?: RequestInit): Promise<Response> {
  const key = viewKey();
  let response: Response;
  try {
    response = await fetch(
      path,
      key === null ? init : { ...init, headers: { ...init?.headers, Authorization: `Bearer ${key}` } },
    );
  } catch (cause) {
    const message =
      "The profiler's server does not answer. Start it again with `stateline serve`, then reload this page.";
    throw new RunError("E_SERVER_UNREACHABLE", message, { path }, { cause });
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => null)) as { error?: { code?: string; message?: string } } | null;
  const { code = "E_SERVER_FAILED", message = `The server answered ${response.status} to ${path}.` } =
    body?.error ?? {};
  throw new RunError(code, message, { path, status: response.status });
}
