/**
 * What the pages ask for.
 *
 *     GET /api/runs                               RunInfo[], newest first
 *     GET /api/runs/:id                           RunInfo
 *     GET /api/runs/:id/summary                   RunSummary
 *     GET /api/runs/:id/lanes                     LaneInfo[]
 *     GET /api/runs/:id/overview                  events that draw the whole run (wire-format)
 *     GET /api/runs/:id/lanes/:rank/:stream/:tile events of a lane (wire-format)
 *     GET /api/runs/:id/collectives?name&class&sort&order&offset&limit   CollectivePage
 *     GET /api/compare?a=:id&b=:id                RunComparison
 */

import { Router, type Request, type RequestHandler, type Response } from "express";
import { COLLECTIVE_SORTS, type CollectiveQuery } from "../trace/collective-table";
import type { Answer, Question } from "./analysis";
import { RefusedError } from "./answers";
import { validRunId } from "./guard";
import type { RunCache } from "./run-cache";

export function apiRoutes(runs: RunCache): Router {
  const router = Router();
  router.use((_request, response, next) => {
    response.set("Cache-Control", "no-store");
    next();
  });
  const ask = (path: string, question: (request: Request) => Question): void => {
    router.get(
      `/runs/:id/${path}`,
      handle(async (request, response) => {
        send(response, request, await runs.ask(validRunId(request.params["id"]), question(request)));
      }),
    );
  };
  router.get(
    "/runs",
    handle(async (_request, response) => void response.json(await runs.source.list())),
  );
  router.get(
    "/runs/:id",
    handle(async ({ params }, response) => void response.json(await runs.source.info(validRunId(params["id"])))),
  );
  ask("summary", () => ({ kind: "summary" }));
  ask("lanes", () => ({ kind: "lanes" }));
  ask("overview", () => ({ kind: "overview" }));
  ask("lanes/:rank/:stream/:tile", ({ params }) => ({
    kind: "tile",
    rank: ordinal(params["rank"]),
    stream: ordinal(params["stream"]),
    tile: ordinal(params["tile"]),
  }));
  ask("collectives", ({ query }) => ({ kind: "collectives", query: collectiveQuery(query) }));
  router.get(
    "/compare",
    handle(async (request, response) => {
      const { query } = request;
      send(response, request, await runs.compare(validRunId(query["a"]), validRunId(query["b"])));
    }),
  );
  return router;
}

/** Runs `answer`; what it throws goes to the error handler. */
export function handle(answer: (request: Request, response: Response) => Promise<void>): RequestHandler {
  return (request, response, next) => void answer(request, response).catch(next);
}

/** @throws RefusedError `E_TILE_NOT_FOUND` where there is nothing to send */
function send(response: Response, { path, params }: Request, answer: Answer): void {
  if (answer === null) {
    throw new RefusedError(404, "E_TILE_NOT_FOUND", `The run has nothing at ${path}.`, { ...params });
  }
  if (typeof answer === "string") response.type("json").send(answer);
  else {
    const { buffer, byteOffset, byteLength } = answer;
    response.type("application/octet-stream").send(Buffer.from(buffer, byteOffset, byteLength));
  }
}

/** Rows of one answer at most. */
const MOST_ROWS = 500;

function collectiveQuery(query: Request["query"]): CollectiveQuery {
  const { name, sort } = query;
  const limit = ordinal(query["limit"]);
  return {
    ...(typeof name === "string" && name !== "" ? { name } : {}),
    ...(typeof query["class"] === "string" && query["class"] !== "" ? { class: query["class"] } : {}),
    sort: COLLECTIVE_SORTS.find((column) => column === sort) ?? "startNs",
    descending: query["order"] === "descending",
    offset: Math.max(0, ordinal(query["offset"])),
    limit: limit < 0 ? 100 : Math.min(limit, MOST_ROWS),
  };
}

/** A number of an address, which is what it reads as or none at all. */
function ordinal(text: unknown): number {
  return typeof text === "string" && /^\d{1,9}$/.test(text) ? Number(text) : -1;
}
