/** Runs as files of other tools' formats: sent piece by piece as they are made, so that none stands in memory as a whole. */

import { once } from "node:events";
import type { RequestHandler, Response } from "express";
import { FILE_TYPES } from "../trace/export/index";
import { Turns } from "../trace/turns";
import { RefusedError } from "./answers";
import { validRunId } from "./guard";
import { handle, ordinal } from "./handle";
import type { RunCache } from "./run-cache";

/** Milliseconds that a reader may leave a file lying. */
const PATIENCE_MS = 60_000;

/** Files that are sent at once, the others wait: each holds the order of its run's events, some 16 bytes each. */
const MOST_FILES = 4;

export function exportRoute(runs: RunCache): RequestHandler {
  const turns = new Turns(MOST_FILES);
  return handle(async ({ params, query }, response) => {
    const id = validRunId(params["id"]);
    const format = formatOf(params["format"]);
    const rank = ordinal(query["rank"]);
    const pieces = format === "parquet" ? parquetOf(runs, id) : runs.export(id, format, ...(rank < 0 ? [] : [rank]));
    const { ending, mime } = FILE_TYPES[format];
    response.attachment(`${id}${rank < 0 ? "" : `-rank${rank}`}${ending}`).type(mime);
    await turns.take(() => send(response, pieces));
  });
}

/** What goes wrong before the first piece is the answer; later it breaks the file off. */
async function send(response: Response, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  if (response.destroyed) return; // gone while it waited
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  response.setTimeout(PATIENCE_MS, () => response.destroy());
  try {
    for await (const piece of pieces) {
      if (gone.signal.aborted) return;
      if (!response.write(piece)) await once(response, "drain", { signal: gone.signal });
    }
    response.end();
  } catch (error) {
    if (gone.signal.aborted) return;
    if (!response.headersSent) response.removeHeader("Content-Disposition");
    throw error;
  }
}

/** @throws RefusedError `E_FORMAT_UNKNOWN` */
function formatOf(name: unknown): keyof typeof FILE_TYPES {
  const known = (Object.keys(FILE_TYPES) as (keyof typeof FILE_TYPES)[]).find((format) => format === name);
  if (known) return known;
  const message = `There is no export format ${JSON.stringify(name)}; there are ${Object.keys(FILE_TYPES).join(", ")}.`;
  throw new RefusedError(404, "E_FORMAT_UNKNOWN", message, { format: name });
}

/** @throws RefusedError `E_NOT_ON_DISK` */
function parquetOf({ source }: RunCache, id: string): AsyncIterable<Uint8Array> {
  if (source.parquet) return source.parquet(id);
  throw new RefusedError(404, "E_NOT_ON_DISK", "These runs have no files, hence neither Parquet nor SQL.", { id });
}
