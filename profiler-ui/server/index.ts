/** The profiler over HTTP: pages, runs as JSON, events as binary columns. Reads what a `RunSource` gives and nothing else. */

import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:http";
import express from "express";
import { StatelineError } from "../trace/errors";
import type { RunSource } from "../trace/run";
import { answerErrors, refuseUnknown } from "./answers";
import { apiRoutes } from "./api";
import { guardHost, guardToken, LOCAL_ORIGINS, securityHeaders } from "./guard";
import { pageRoutes, staticFiles } from "./pages";
import { RunCache, type CacheLimits } from "./run-cache";
import { makeViewKey } from "./view-key";

export interface ServerOptions extends CacheLimits {
  readonly source: RunSource;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** Address to bind, 127.0.0.1 unless given. */
  readonly host?: string;
  /** Secret that requests must bring; a random one unless given. */
  readonly token?: string;
  /** Pages that may show a run's timeline in a frame: `http://localhost:*` and `http://127.0.0.1:*` unless given. */
  readonly frameOrigins?: readonly string[];
  /** Milliseconds that an upload may stand still before others may import, 15 s unless given. */
  readonly uploadPatienceMs?: number;
}

export interface ProfilerServer {
  /** Address of the list of runs, token included. */
  readonly url: string;
  readonly token: string;
  readonly port: number;
  /** Address of a page, token included: `urlOf("/runs/…")`. */
  urlOf(path: string): string;
  /** Stops listening, lets answers under way finish for a moment, then closes every connection. Idempotent. */
  close(): Promise<void>;
}

/** Milliseconds that answers under way get when the server closes. */
const GRACE_MS = 500;

const UPLOAD_PATIENCE_MS = 15_000;

/**
 * Serves the profiler until `close`.
 *
 * @throws StatelineError `E_PORT_IN_USE`, `E_PORT_INVALID`, `E_ADDRESS_REFUSED`, `E_FRAME_ORIGIN_INVALID`, `E_PAGES_MISSING`
 */
export async function startServer(options: ServerOptions): Promise<ProfilerServer> {
  const { source, port = 0, host = "127.0.0.1", token = randomBytes(24).toString("base64url") } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new StatelineError("E_PORT_INVALID", `port must be an integer from 0 to 65535, got ${port}.`, { port });
  }
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");
  app.set("etag", false);
  app.use(securityHeaders(options.frameOrigins ?? LOCAL_ORIGINS));
  app.use(guardHost(host));
  app.use(staticFiles());
  app.use(guardToken(token));
  const runs = new RunCache(source, options);
  app.use(
    "/api",
    apiRoutes(runs, {
      viewKey: (ids) => makeViewKey(token, ids),
      uploadPatienceMs: options.uploadPatienceMs ?? UPLOAD_PATIENCE_MS,
    }),
  );
  app.use(pageRoutes(runs));
  app.use(refuseUnknown);
  app.use(answerErrors);

  const server = createServer(app);
  await listen(server, port, host);
  runs.warm();
  const bound = (server.address() as AddressInfo).port;
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const origin = `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${bound}`;
  const urlOf = (path: string): string => {
    const url = new URL(path, origin);
    url.searchParams.set("token", token);
    return url.href;
  };
  let closing: Promise<void> | undefined;
  return {
    url: urlOf("/"),
    token,
    port: bound,
    urlOf,
    close: () => (closing ??= closeGently(server).then(() => runs.close())),
  };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") {
        const message = `Port ${port} of ${host} is in use. Choose another one, or 0 for any free one.`;
        reject(new StatelineError("E_PORT_IN_USE", message, { port, host }, { cause: error }));
      } else {
        const message = `The profiler cannot listen on port ${port} of ${host}: ${error.message}.`;
        reject(new StatelineError("E_ADDRESS_REFUSED", message, { port, host }, { cause: error }));
      }
    });
    server.listen(port, host, resolve);
  });
}

async function closeGently(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
