/**
 * What the pages ask for.
 *
 *     GET /api/runs                               RunInfo[], newest first
 *     GET /api/runs/:id                           RunInfo
 *     GET /api/runs/:id/summary                   RunSummary
 *     GET /api/runs/:id/lanes                     LaneInfo[]
 *     GET /api/runs/:id/overview                  events that draw the whole run (wire-format)
 *     GET /api/runs/:id/lanes/:rank/:stream/:tile events of a lane (wire-format)
 *     GET /api/compare?a=:id&b=:id                RunComparison
 */

import { Router, type Request, type RequestHandler } from "express";
import { RefusedError } from "./answers";
import { validRunId } from "./guard";
import type { LoadedRun, RunCache } from "./run-cache";

export function apiRoutes(runs: RunCache): Router {
  const loaded = (request: Request): Promise<LoadedRun> => runs.get(validRunId(request.params["id"]));
  const router = Router();
  router.use((_request, response, next) => {
    response.set("Cache-Control", "no-store");
    next();
  });
  router.get(
    "/runs",
    json(async () => runs.source.list()),
  );
  router.get(
    "/runs/:id",
    json(async ({ params }) => runs.source.info(validRunId(params["id"]))),
  );
  router.get(
    "/runs/:id/summary",
    json(async (request) => (await loaded(request)).summary),
  );
  router.get(
    "/runs/:id/lanes",
    json(async (request) => (await loaded(request)).lanes),
  );
  router.get(
    "/runs/:id/overview",
    binary(async (request) => (await loaded(request)).overview),
  );
  router.get(
    "/runs/:id/lanes/:rank/:stream/:tile",
    binary(async (request) => tileOf(await loaded(request), request)),
  );
  router.get(
    "/compare",
    json(async ({ query }) => runs.compare(validRunId(query["a"]), validRunId(query["b"]))),
  );
  return router;
}

/** Answers with what `answer` resolves to; what it throws goes to the error handler. */
function json(answer: (request: Request) => Promise<unknown>): RequestHandler {
  return (request, response, next) => void answer(request).then((value) => response.json(value), next);
}

function binary(answer: (request: Request) => Promise<Uint8Array>): RequestHandler {
  return (request, response, next) => {
    void answer(request).then((bytes) => {
      response.type("application/octet-stream").send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    }, next);
  };
}

/** @throws RefusedError `E_TILE_NOT_FOUND` */
function tileOf(run: LoadedRun, { params }: Request): Uint8Array {
  const [rank = -1, stream = -1, tile = -1] = ["rank", "stream", "tile"].map((name) => ordinal(params[name]));
  const bytes = run.tile(rank, stream, tile);
  if (bytes) return bytes;
  const message = `Run ${run.info.id} has no tile ${tile} of rank ${rank}, stream ${stream}.`;
  throw new RefusedError(404, "E_TILE_NOT_FOUND", message, { ...params });
}

/** A number of a path, which is what it reads as or none at all. */
function ordinal(text: unknown): number {
  return typeof text === "string" && /^\d{1,6}$/.test(text) ? Number(text) : -1;
}
