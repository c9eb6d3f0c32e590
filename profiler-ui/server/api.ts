/**
 * What the pages ask for.
 *
 *     GET /api/runs                               RunListing[], newest first
 *     GET /api/runs/:id                           RunInfo
 *     PATCH /api/runs/:id {label, notes, tags}    RunNotes
 *     DELETE /api/runs/:id                        takes it away; POST /api/runs/:id/restore brings it back
 *     GET /api/runs/:id/summary                   RunSummary
 *     GET /api/runs/:id/analysis                  RunAnalysis
 *     GET /api/runs/:id/lanes                     LaneInfo[]
 *     GET /api/runs/:id/sketch                    marks that draw the run soonest (wire-format)
 *     GET /api/runs/:id/overview                  marks that draw the whole run (wire-format)
 *     GET /api/runs/:id/lanes/:rank/:stream/:tile events of a lane (wire-format)
 *     GET /api/runs/:id/look?kind&aligned&…       what a page asks of a run that is too long for it (server/look): marks, events or JSON
 *     GET /api/runs/:id/collectives?name&class&sort&order&offset&limit&clocks   CollectivePage
 *     GET /api/runs/:id/export/:format?rank       the run as a file: perfetto, chrome, speedscope, svg, parquet
 *     POST /api/runs/:id/sql {sql}                SqlAnswer
 *     POST /api/views {runs: [:id]}               {key}: opens these runs' pages without the token, as ?view=key
 *     POST /api/imports?files=[{name, bytes}]     the files' bytes, one after another, become a run: RunInfo
 *     GET /api/compare?a=:id&b=:id                RunComparison
 */

import express, { Router, type Request, type Response } from "express";
import { COLLECTIVE_SORTS, type CollectiveQuery } from "../trace/collective-table";
import { listingOf } from "../trace/listing";
import type { Answer, Question } from "./analysis";
import { RefusedError } from "./answers";
import { validRunId } from "./guard";
import { exportRoute } from "./exports";
import { handle, ordinal, storeOf } from "./handle";
import { importRoute } from "./imports";
import { lookOf } from "./look";
import type { RunCache } from "./run-cache";

export interface ApiOptions {
  /** Makes a key that opens runs. */
  readonly viewKey: (ids: readonly string[]) => string;
  /** Milliseconds that an upload may stand still. */
  readonly uploadPatienceMs: number;
}

export function apiRoutes(runs: RunCache, { viewKey, uploadPatienceMs }: ApiOptions): Router {
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
    handle(async (_request, response) => void response.json((await runs.source.list()).map(listingOf))),
  );
  router.get(
    "/runs/:id",
    handle(async ({ params }, response) => void response.json(await runs.source.info(validRunId(params["id"])))),
  );
  router.get(
    "/runs/:id/sketch",
    handle(async (request, response) => {
      send(response, request, await runs.sketch(validRunId(request.params["id"])));
    }),
  );
  ask("summary", () => ({ kind: "summary" }));
  ask("lanes", () => ({ kind: "lanes" }));
  ask("overview", () => ({ kind: "overview" }));
  ask("analysis", () => ({ kind: "analysis" }));
  ask("lanes/:rank/:stream/:tile", ({ params }) => ({
    kind: "tile",
    rank: ordinal(params["rank"]),
    stream: ordinal(params["stream"]),
    tile: ordinal(params["tile"]),
  }));
  router.get(
    "/runs/:id/look",
    handle(async (request, response) => {
      const id = validRunId(request.params["id"]);
      const look = lookOf(request.query);
      if (!look) {
        const message = `No run could answer ${request.url}. Reload the page.`;
        throw new RefusedError(400, "E_LOOK_INVALID", message, { query: request.query });
      }
      const answer = await runs.ask(id, { kind: "look", look });
      // That there is no such span is an answer, too.
      if (answer === null) response.status(204).end();
      else send(response, request, answer);
    }),
  );
  ask("collectives", ({ query }) => ({ kind: "collectives", query: collectiveQuery(query) }));
  router.get("/runs/:id/export/:format", exportRoute(runs));
  router.patch(
    "/runs/:id",
    express.json({ limit: "64kb" }),
    handle(async ({ params, body }, response) => {
      response.json(await storeOf(runs).annotate(validRunId(params["id"]), body as unknown));
    }),
  );
  router.delete(
    "/runs/:id",
    handle(async ({ params }, response) => {
      await storeOf(runs).remove(validRunId(params["id"]));
      response.status(204).end();
    }),
  );
  router.post(
    "/runs/:id/restore",
    handle(async ({ params }, response) => {
      await storeOf(runs).restore(validRunId(params["id"]));
      response.status(204).end();
    }),
  );
  router.post(
    "/views",
    express.json({ limit: "4kb" }),
    handle(async ({ body }, response) => {
      const { runs: wanted } = (body ?? {}) as { readonly runs?: unknown };
      const ids = (Array.isArray(wanted) && wanted.length > 0 ? wanted : [wanted]).map(validRunId);
      for (const id of ids) await runs.source.info(id);
      response.json({ key: viewKey(ids) });
    }),
  );
  router.post("/imports", importRoute(runs, uploadPatienceMs));
  router.post("/runs/:id/sql", express.json({ limit: "64kb" }), handle(answerSql(runs)));
  router.get(
    "/compare",
    handle(async (request, response) => {
      const { query } = request;
      send(response, request, await runs.compare(validRunId(query["a"]), validRunId(query["b"])));
    }),
  );
  return router;
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

/** What a query from the page may take, and how many are under way or wait. */
const SQL = { timeoutMs: 10_000, maxRows: 1000, queries: 8 };

function answerSql({ source }: RunCache): (request: Request, response: Response) => Promise<void> {
  let queries = 0;
  return async (request, response) => {
    const id = validRunId(request.params["id"]);
    const { sql } = (request.body ?? {}) as { readonly sql?: unknown };
    if (typeof sql !== "string" || sql.trim() === "")
      throw new RefusedError(400, "E_SQL", 'Send {"sql": "SELECT …"}.', {});
    if (!source.sql) throw new RefusedError(404, "E_NOT_ON_DISK", "These runs have no files to ask.", { id });
    if (queries === SQL.queries) {
      const message = `${SQL.queries} queries are under way; ask again when one of them is answered.`;
      throw new RefusedError(503, "E_SQL_BUSY", message, { queries });
    }
    queries++;
    // A reader that goes away ends its query, too.
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    try {
      const { timeoutMs, maxRows } = SQL;
      response.json(await source.sql(id, sql, { timeoutMs, maxRows, signal: gone.signal }));
    } finally {
      queries--;
    }
  };
}

/** Rows of one answer at most. */
const MOST_ROWS = 500;

function collectiveQuery(query: Request["query"]): CollectiveQuery {
  const { name, sort } = query;
  const limit = ordinal(query["limit"]);
  return {
    ...(typeof name === "string" && name !== "" ? { name } : {}),
    ...(typeof query["class"] === "string" && query["class"] !== "" ? { class: query["class"] } : {}),
    corrected: query["clocks"] === "corrected",
    sort: COLLECTIVE_SORTS.find((column) => column === sort) ?? "startNs",
    descending: query["order"] === "descending",
    offset: Math.max(0, ordinal(query["offset"])),
    limit: limit < 0 ? 100 : Math.min(limit, MOST_ROWS),
  };
}
