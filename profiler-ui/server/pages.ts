/** The pages and their scripts, built to dist/web. They hold no data: a run reaches them through the API. */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import express, { Router, type RequestHandler } from "express";
import { StatelineError } from "../trace/errors";
import { validRunId } from "./guard";

/** Folder of the built pages, found from this file both in dist/ and in the sources. */
function webFolder(): string {
  let folder = __dirname;
  while (!isPackage(folder)) {
    const parent = dirname(folder);
    if (parent === folder) throw missing(__dirname);
    folder = parent;
  }
  const web = join(folder, "dist/web");
  if (!existsSync(join(web, "index.html"))) throw missing(web);
  return web;
}

function isPackage(folder: string): boolean {
  const file = join(folder, "package.json");
  return existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: unknown }).name === "stateline";
}

function missing(folder: string): StatelineError {
  return new StatelineError(
    "E_PAGES_MISSING",
    `The profiler's pages are not built (${folder}). Run \`npm run build\`.`,
    { folder },
  );
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

export function pageRoutes(): Router {
  const root = webFolder();
  const router = Router();
  const page = (file: string): RequestHandler => {
    return (_request, response) => {
      response.set("Cache-Control", "no-store");
      response.sendFile(file, { root });
    };
  };
  router.get("/", page("index.html"));
  router.get(
    "/runs/:id",
    (request, _response, next) => {
      validRunId(request.params["id"]);
      next();
    },
    page("run.html"),
  );
  router.get("/compare", page("compare.html"));
  return router;
}
