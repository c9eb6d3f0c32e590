/** The thread that reads traces of other tools and writes them as a run. */

import { isMainThread, parentPort, workerData } from "node:worker_threads";

import { reasonOf, StatelineError } from "../../errors";
import { assembleRun, type ImportedRun } from "../../../../profiler-ui/trace/import/assemble";
import { ChromeReader, type ForeignFile } from "../../../../profiler-ui/trace/import/chrome";
import type { ReadFile } from "../../../../profiler-ui/trace/import/places";
import { SpanTable, type ForeignSpan } from "../../../../profiler-ui/trace/import/span-table";
import { storeEvents } from "../store-events";
import { contentOf } from "./content";
import { readNsys } from "./nsys";

export interface ImportThreadData {
  readonly files: readonly { readonly path: string; readonly name: string }[];
  /** Of the run, made already. */
  readonly folder: string;
}

export type ImportReply =
  | { readonly spans: number; readonly file: string }
  | { readonly info: ImportedRun["info"] }
  | { readonly code: string; readonly message: string; readonly details: Readonly<Record<string, unknown>> };

const SQLITE = Buffer.from("SQLite format 3\0");

async function run({ files, folder }: ImportThreadData): Promise<ImportedRun["info"]> {
  const table = new SpanTable();
  const read: ReadFile[] = [];
  let tool = "Chrome trace";
  for (const [number, { path, name }] of files.entries()) {
    const prefix = `${number}:`;
    const add = (span: ForeignSpan): void => table.add({ ...span, owner: prefix + span.owner });
    const pieces = contentOf(path, name);
    const first = await pieces.next();
    const head = first.done ? Buffer.alloc(0) : Buffer.from(first.value);
    const content = following(head, pieces);
    let file: ForeignFile;
    if (head.subarray(0, SQLITE.length).equals(SQLITE)) {
      tool = "nsys";
      file = await readNsys(content, name, add);
    } else file = await readChrome(content, name, add, (spans) => report({ spans, file: name }), table);
    read.push({ ...file, prefix });
  }
  const { events, info } = assembleRun(table, read, tool);
  await storeEvents(folder, events);
  return info;
}

async function* following(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

async function readChrome(
  content: AsyncIterable<Uint8Array>,
  name: string,
  add: (span: ForeignSpan) => void,
  progress: (spans: number) => void,
  table: SpanTable,
): Promise<ForeignFile> {
  const reader = new ChromeReader(add);
  try {
    for await (const piece of content) {
      reader.push(piece);
      progress(table.count);
    }
    return reader.end();
  } catch (error) {
    if (!(error instanceof StatelineError) || error.code !== "E_IMPORT_INVALID") throw error;
    throw new StatelineError(error.code, `${name}: ${error.message}`, { ...error.details, file: name });
  }
}

function report(reply: ImportReply): void {
  parentPort?.postMessage(reply);
}

if (!isMainThread) {
  run(workerData as ImportThreadData).then(
    (info) => report({ info }),
    (error: unknown) =>
      report({
        code: error instanceof StatelineError ? error.code : "E_IMPORT_INVALID",
        message: reasonOf(error),
        details: error instanceof StatelineError ? error.details : {},
      }),
  );
}
