/** The pages and their scripts, built to dist/web. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import express, { Router, type Request, type RequestHandler } from "express";
import type { RunInfo } from "../trace/run";
import { FRAME, isRunId, validRunId } from "./guard";
import { handle } from "./handle";
import { builtPath } from "./package-folder";
import type { RunCache } from "./run-cache";

/** Folder of the built pages. */
function webFolder(): string {
  return dirname(builtPath("web/index.html"));
}

/** Scripts and style sheets: the same for everyone, hence before the token. */
export function staticFiles(): RequestHandler {
  const serve = express.static(webFolder(), { index: false, redirect: false, dotfiles: "ignore", maxAge: 0 });
  return (request, response, next) => {
    // A page is reached by its route, which asks for the token.
    if (request.path.endsWith(".html")) next();
    else void serve(request, response, next);
  };
}

/** A page holds what is known of its runs, and they are read while the browser loads it: it asks for their events next. */
export function pageRoutes(runs: RunCache): Router {
  const router = Router();
  const page = (file: string, idsOf: (request: Request) => readonly unknown[]): RequestHandler => {
    const html = readFileSync(join(webFolder(), file), "utf8");
    return handle(async (request, response) => {
      const ids = idsOf(request).filter(isRunId);
      // What is wrong with a run is said by the page, which then asks for it.
      const known = await Promise.all(ids.map((id) => runs.source.info(id))).catch(() => []);
      response.set("Cache-Control", "no-store").type("html").send(withRuns(html, known));
      for (const { id } of known) runs.prepare(id);
    });
  };
  router.get(
    "/",
    page("index.html", () => []),
  );
  const one = ({ params }: Request): readonly unknown[] => [validRunId(params["id"])];
  router.get("/runs/:id", page("run.html", one));
  router.get(`${FRAME}:id`, page("frame.html", one));
  router.get(
    "/compare",
    page("compare.html", ({ query }) => [query["a"], query["b"]]),
  );
  return router;
}

/** A block of data is no script, whatever it says, as long as it cannot end the block. */
function withRuns(html: string, runs: readonly RunInfo[]): string {
  const json = JSON.stringify(runs).replaceAll("<", "\\u003c");
  return html.replace("</head>", () => `<script type="application/json" id="runs">${json}</script></head>`);
}
