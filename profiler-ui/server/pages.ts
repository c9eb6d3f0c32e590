/** The pages and their scripts, built to dist/web. They hold no data: a run reaches them through the API. */

import { dirname } from "node:path";
import express, { Router, type RequestHandler } from "express";
import { FRAME, isRunId, validRunId } from "./guard";
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

/** A run is read while the browser loads its page, which then asks for it. */
export function pageRoutes(runs: RunCache): Router {
  const root = webFolder();
  const router = Router();
  const page = (file: string): RequestHandler => {
    return (_request, response) => {
      response.set("Cache-Control", "no-store");
      response.sendFile(file, { root });
    };
  };
  router.get("/", page("index.html"));
  const prepare: RequestHandler = (request, _response, next) => {
    runs.prepare(validRunId(request.params["id"]));
    next();
  };
  router.get("/runs/:id", prepare, page("run.html"));
  router.get(`${FRAME}:id`, prepare, page("frame.html"));
  router.get(
    "/compare",
    ({ query }, _response, next) => {
      // What is no id is said by the page, which asks for it.
      for (const id of [query["a"], query["b"]]) if (isRunId(id)) runs.prepare(id);
      next();
    },
    page("compare.html"),
  );
  return router;
}
