/** What routes are made of. */

import type { Request, RequestHandler, Response } from "express";
import type { RunStore } from "../trace/run";
import { RefusedError } from "./answers";
import type { RunCache } from "./run-cache";

/** Runs `answer`; what it throws goes to the error handler. */
export function handle(answer: (request: Request, response: Response) => Promise<void>): RequestHandler {
  return (request, response, next) => void answer(request, response).catch(next);
}

/** @throws RefusedError `E_NOT_ON_DISK` */
export function storeOf({ source }: RunCache): RunStore {
  if (source.store) return source.store;
  throw new RefusedError(404, "E_NOT_ON_DISK", "These runs have no files to write to.", {});
}

/** A number of an address; -1 for what is none. */
export function ordinal(text: unknown): number {
  return typeof text === "string" && /^\d{1,9}$/.test(text) ? Number(text) : -1;
}
