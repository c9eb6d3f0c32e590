/** Traces that are dropped onto the page: bounded in size, number and time, one import at a time, which must go on. */

import type { Request, RequestHandler } from "express";
import type { UploadedFile } from "../trace/run";
import { RefusedError } from "./answers";
import { arriving } from "./arriving";
import { handle, storeOf } from "./handle";
import type { RunCache } from "./run-cache";

/** Bytes of an upload, files of it, and its time. */
const MOST_BYTES = 2e9;
const MOST_FILES = 64;
const IMPORT_MS = 300_000;

/** @param patienceMs How long an upload may stand still. */
export function importRoute(runs: RunCache, patienceMs: number): RequestHandler {
  let busy = false;
  return handle(async (request, response) => {
    const store = storeOf(runs);
    const files = filesOf(request);
    if (busy) throw new RefusedError(409, "E_IMPORT_BUSY", "Another import is under way; wait until it is done.", {});
    busy = true;
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const late = AbortSignal.timeout(IMPORT_MS);
    try {
      const body = arriving(request, patienceMs);
      response.status(201).json(await store.importFiles(files, body, AbortSignal.any([late, gone.signal])));
    } catch (error) {
      if (gone.signal.aborted) return;
      // What was not read of the upload would be taken for the next request.
      if (!request.complete) response.set("Connection", "close");
      if (!late.aborted) throw error;
      const message = `The import took more than ${IMPORT_MS / 60_000} minutes and was ended; \`stateline import\` takes its time.`;
      throw new RefusedError(413, "E_IMPORT_TOO_LARGE", message, {});
    } finally {
      busy = false;
    }
  });
}

/** @throws RefusedError `E_IMPORT_INVALID`, `E_IMPORT_TOO_LARGE` */
function filesOf({ query, headers }: Request): UploadedFile[] {
  const refuse = (reason: string): never => {
    throw new RefusedError(400, "E_IMPORT_INVALID", `An import is asked for otherwise: ${reason}.`, {});
  };
  const text = query["files"];
  let given: unknown;
  try {
    given = JSON.parse(typeof text === "string" ? text : "");
  } catch {
    refuse('files must be JSON like [{"name": "trace.json", "bytes": 1234}]');
  }
  if (!Array.isArray(given) || given.length === 0 || given.length > MOST_FILES)
    return refuse(`files must be a list of 1 to ${MOST_FILES}`);
  const files = given.map((file: unknown): UploadedFile => {
    const { name, bytes } = (typeof file === "object" && file !== null ? file : {}) as Record<string, unknown>;
    if (
      typeof name !== "string" ||
      name === "" ||
      name.length > 255 ||
      !Number.isSafeInteger(bytes) ||
      Number(bytes) < 0
    )
      return refuse("each file has a name of at most 255 characters and its bytes");
    return { name, bytes: Number(bytes) };
  });
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > MOST_BYTES) {
    const message = `The files have ${total} bytes, at most ${MOST_BYTES} are uploaded; \`stateline import\` reads larger ones.`;
    throw new RefusedError(413, "E_IMPORT_TOO_LARGE", message, { bytes: total });
  }
  const length = Number(headers["content-length"]);
  if (length !== total)
    refuse(`${total} bytes are announced, Content-Length is ${headers["content-length"] ?? "missing"}`);
  return files;
}
