/** Errors as answers: JSON with a stable code for programs, a small page for people. */

import type { ErrorRequestHandler, RequestHandler } from "express";
import { StatelineError } from "../trace/errors";

/** A request that is refused with an HTTP status. */
export class RefusedError extends StatelineError {
  constructor(
    readonly status: number,
    code: string,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
  ) {
    super(code, message, details);
  }
}

const STATUS: Readonly<Record<string, number>> = {
  E_RUN_ID_INVALID: 400,
  E_RUN_NOT_FOUND: 404,
  E_SQL: 400,
  E_SQL_TOO_LONG: 400,
  E_SQL_TOO_LARGE: 400,
  E_ABORTED: 400,
  E_OPTION_INVALID: 400,
  E_RUN_RECORDING: 409,
  E_RUN_EXISTS: 409,
  E_RUN_UNREADABLE: 422,
  E_IMPORT_INVALID: 422,
  E_IMPORT_TOO_LARGE: 413,
};

export const refuseUnknown: RequestHandler = (request) => {
  if (request.method !== "GET" && request.method !== "HEAD") {
    const message = `${request.method} is not supported at ${request.path}.`;
    throw new RefusedError(405, "E_METHOD_REFUSED", message, { method: request.method, path: request.path });
  }
  throw new RefusedError(404, "E_NOT_FOUND", `There is nothing at ${request.path}.`, { path: request.path });
};

export const answerErrors: ErrorRequestHandler = (error: unknown, request, response, next) => {
  if (response.headersSent) {
    next(error);
    return;
  }
  const { status, code, message, details } = describe(error);
  response.status(status).set("Cache-Control", "no-store");
  if (!request.path.startsWith("/api/") && request.accepts(["json", "html"]) === "html") {
    response.type("html").send(errorPage(status, message));
    return;
  }
  response.type("json").send(jsonOf(code, message, details));
};

/** What was sent may be nested more deeply than JSON can be written; the message says what is wrong with it. */
function jsonOf(code: string, message: string, details: unknown): string {
  try {
    return JSON.stringify({ error: { code, message, details } });
  } catch {
    return JSON.stringify({ error: { code, message, details: {} } });
  }
}

function describe(error: unknown): { status: number; code: string; message: string; details: unknown } {
  if (error instanceof StatelineError) {
    const { code, message, details } = error;
    return { status: error instanceof RefusedError ? error.status : (STATUS[code] ?? 500), code, message, details };
  }
  // Express itself throws errors with a status for requests that it cannot read, such as a malformed escape.
  const status = typeof error === "object" && error !== null && "status" in error ? Number(error.status) : NaN;
  if (status >= 400 && status < 500) {
    return { status, code: "E_REQUEST_MALFORMED", message: "The request cannot be read.", details: {} };
  }
  process.stderr.write(`profiler: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return { status: 500, code: "E_INTERNAL", message: "The server failed; its output has the reason.", details: {} };
}

function errorPage(status: number, message: string): string {
  const text = message
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/`([^`]+)`/g, "<code>$1</code>");
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Stateline: ${status}</title><link rel="stylesheet" href="/style.css">
<main class="failure"><h1>Not here</h1><p>${text}</p></main></html>`;
}
