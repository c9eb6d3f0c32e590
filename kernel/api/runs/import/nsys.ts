/**
 * An export of Nsight Systems (`nsys export --type sqlite`) as spans: kernels, copies and fills on (device, stream), NVTX ranges
 * on their thread. Its tables are made when needed and differ by version, so each is looked for, and each column.
 */

import initSqlJs, { type Database, type SqlValue } from "sql.js";

import { reasonOf, RunError } from "../../errors";
import { STEP } from "../../../../profiler-ui/trace/kinds";
import { STEP_NAME, type ForeignFile } from "../../../../profiler-ui/trace/import/chrome";
import { collectiveOf, kindOfKernel, shortName } from "../../../../profiler-ui/trace/import/names";
import type { ForeignSpan } from "../../../../profiler-ui/trace/import/span-table";

/** SQLite reads the file in memory. */
const MOST_BYTES = 1e9;

/** A thread's number holds its process's above 24 bits. */
const PROCESS = 16_777_216;

/** @throws RunError `E_IMPORT_INVALID`, `E_IMPORT_TOO_LARGE` */
export async function readNsys(
  content: AsyncIterable<Uint8Array>,
  name: string,
  add: (span: ForeignSpan) => void,
): Promise<ForeignFile> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > MOST_BYTES)
      throw new RunError("E_IMPORT_TOO_LARGE", `${name} is larger than ${MOST_BYTES / 1e9} GB`, { file: name });
    pieces.push(piece);
  }
  const SQL = await initSqlJs();
  const database = new SQL.Database(Buffer.concat(pieces));
  try {
    return readTables(database, name, add);
  } catch (error) {
    if (error instanceof RunError) throw error;
    const reason = reasonOf(error);
    const message = `${name} is no SQLite export of nsys: ${reason}`;
    throw new RunError("E_IMPORT_INVALID", message, { file: name }, { cause: error });
  } finally {
    database.close();
  }
}

function readTables(database: Database, file: string, add: (span: ForeignSpan) => void): ForeignFile {
  const columns = new Map<string, Set<string>>();
  // Only true tables: a view may compute for ever.
  for (const [table] of rows(database, "SELECT name FROM sqlite_master WHERE type = 'table'")) {
    const name = String(table);
    const found = [...rows(database, `SELECT name FROM pragma_table_info(${sqlText(name)})`)];
    columns.set(name, new Set(found.map(([column]) => String(column))));
  }
  const select = function* (table: string, wanted: readonly string[]): Generator<SqlValue[]> {
    const has = columns.get(table);
    if (!has) return;
    yield* rows(
      database,
      `SELECT ${wanted.map((column) => (has.has(column) ? `"${column}"` : "NULL")).join(", ")} FROM "${table}"`,
    );
  };
  const texts = new Map<number, string>();
  for (const [id, value] of select("StringIds", ["id", "value"])) texts.set(Number(id), String(value));
  const textOf = (id: SqlValue | undefined): string => texts.get(Number(id)) ?? "";
  const launchedOn = new Map<string, string>();
  const device = (globalPid: SqlValue | undefined, deviceId: SqlValue | undefined): string => {
    const owner = `${Number(deviceId ?? 0)}`;
    const host = hostOf(globalPid);
    // Processes that each see one GPU all call it 0.
    const known = launchedOn.get(host);
    const own = globalPid === null || globalPid === undefined ? owner : `${owner}/${host}`;
    if (known === undefined) launchedOn.set(host, own);
    return own;
  };
  let kernels = 0;
  for (const [start, end, deviceId, stream, globalPid, demangled, short] of select("CUPTI_ACTIVITY_KIND_KERNEL", [
    ...["start", "end", "deviceId", "streamId", "globalPid", "demangledName", "shortName"],
  ])) {
    const full = textOf(demangled) || textOf(short);
    const collective = collectiveOf(textOf(short)) ?? collectiveOf(full);
    kernels++;
    add({
      ...span(start, end),
      ...{ side: "device", owner: device(globalPid, deviceId), thread: String(stream) },
      ...(collective
        ? { ...collective, kind: "collective", group: "0" }
        : { name: shortName(full), kind: kindOfKernel(full) }),
    });
  }
  for (const [table, name] of [
    ["CUPTI_ACTIVITY_KIND_MEMCPY", "memcpy"],
    ["CUPTI_ACTIVITY_KIND_MEMSET", "memset"],
  ] as const) {
    for (const [start, end, deviceId, stream, globalPid, bytes] of select(table, [
      ...["start", "end", "deviceId", "streamId", "globalPid", "bytes"],
    ])) {
      const moved = Math.max(0, Number(bytes ?? 0));
      const where = { owner: device(globalPid, deviceId), thread: String(stream) };
      add({ ...span(start, end), side: "device", ...where, name, kind: "copy", bytes: moved });
    }
  }
  const left = new Map<string, number>();
  for (const [start, end, text, textId, globalTid] of select("NVTX_EVENTS", [
    ...["start", "end", "text", "textId", "globalTid"],
  ])) {
    if (end === null || end === undefined) {
      left.set("NVTX mark", (left.get("NVTX mark") ?? 0) + 1);
      continue;
    }
    const full = typeof text === "string" ? text : textOf(textId);
    const step = STEP_NAME.exec(full);
    add({
      ...span(start, end),
      ...{ side: "host", owner: `host ${hostOf(globalTid)}`, thread: String(globalTid), kind: "host" },
      ...(step ? { name: STEP, step: Number(step[1]) } : { name: shortName(full) }),
    });
  }
  if (kernels === 0 && !columns.has("NVTX_EVENTS"))
    throw new RunError("E_IMPORT_INVALID", `${file} is no export of nsys: it has neither kernels nor NVTX ranges`, {
      file,
    });
  const [[utc] = []] = [...select("TARGET_INFO_SESSION_START_TIME", ["utcEpochNs"])];
  const [[gpu] = []] = [...select("TARGET_INFO_GPU", ["name"])];
  return {
    baseNs: BigInt(Math.round(Number(utc ?? 0))),
    device: typeof gpu === "string" ? gpu : "",
    title: "",
    launchedOn: new Map([...launchedOn].map(([host, own]) => [`host ${host}`, own])),
    left,
  };
}

function hostOf(global: SqlValue | undefined): string {
  return String(Math.floor(Number(global ?? 0) / PROCESS));
}

function span(start: SqlValue | undefined, end: SqlValue | undefined): { startNs: number; durNs: number } {
  const startNs = Number(start);
  return { startNs: Number.isFinite(startNs) ? startNs : 0, durNs: Math.max(0, Number(end) - startNs) || 0 };
}

function* rows(database: Database, sql: string): Generator<SqlValue[]> {
  const statement = database.prepare(sql);
  try {
    while (statement.step()) yield statement.get();
  } finally {
    statement.free();
  }
}

function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
