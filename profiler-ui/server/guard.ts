/** Who may ask: the right Host, no foreign Origin, the token. What a page may do: load our own files, nothing inline. */

import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { Request, RequestHandler } from "express";
import helmet from "helmet";
import { StatelineError } from "../trace/errors";
import { RefusedError } from "./answers";
import { isViewKey, runsOfKey } from "./view-key";

/** Where the page stands that other pages may show in a frame: a run's timeline, for notebooks. */
export const FRAME = "/frame/";

/** Notebooks on this machine. */
export const LOCAL_ORIGINS: readonly string[] = ["http://localhost:*", "http://127.0.0.1:*"];

const FRAME_ORIGIN = /^(?:https?:\/\/(?:\*\.)?[a-z0-9.-]+(?::(?:\d{1,5}|\*))?|vscode-webview:)$/i;

/**
 * Headers of every answer.
 *
 * @param frameOrigins Pages that may show `FRAME` in a frame.
 * @throws StatelineError `E_FRAME_ORIGIN_INVALID`
 */
export function securityHeaders(frameOrigins: readonly string[]): RequestHandler {
  const wrong = frameOrigins.find((origin) => !FRAME_ORIGIN.test(origin));
  if (wrong !== undefined) {
    const message = `A frame origin is like https://hub.example or http://localhost:*, got ${JSON.stringify(wrong)}.`;
    throw new StatelineError("E_FRAME_ORIGIN_INVALID", message, { origin: wrong });
  }
  const [framed, alone] = [headers(frameOrigins), headers(["'none'"])];
  return (request, response, next) => (request.path.startsWith(FRAME) ? framed : alone)(request, response, next);
}

function headers(frameAncestors: readonly string[]): ReturnType<typeof helmet> {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", "data:", "blob:"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: [...frameAncestors],
      },
    },
    frameguard: false, // X-Frame-Options knows no list of origins; frame-ancestors has the last word
    // Plain HTTP on the own machine: there is no TLS to insist on.
    strictTransportSecurity: false,
    referrerPolicy: { policy: "no-referrer" },
  });
}

/**
 * Refuses requests that a foreign page could have caused. A name that only resolves to this machine (DNS rebinding)
 * shows in Host, a script of another site in Origin or Sec-Fetch-Site.
 */
export function guardHost(bound: string): RequestHandler {
  const anywhere = bound === "0.0.0.0" || bound === "::";
  const names = new Set(["127.0.0.1", "localhost", "::1", bound]);
  return (request, _response, next) => {
    const host = hostName(request.headers.host);
    if (host === null || !(names.has(host) || (anywhere && isIP(host) !== 0))) {
      throw new RefusedError(403, "E_HOST_REFUSED", `This server does not answer for the host ${host ?? "(none)"}.`, {
        host,
      });
    }
    const { origin } = request.headers;
    if (origin !== undefined && origin !== `http://${request.headers.host}`) {
      throw new RefusedError(403, "E_ORIGIN_REFUSED", `Requests from ${origin} are refused.`, { origin });
    }
    const site = request.headers["sec-fetch-site"];
    const navigation = request.headers["sec-fetch-mode"] === "navigate";
    if (site !== undefined && site !== "same-origin" && site !== "none" && !navigation) {
      throw new RefusedError(403, "E_ORIGIN_REFUSED", `Requests from another site are refused.`, { site });
    }
    // What may change or cost something must come from our own page, which always names its origin, or bring the token.
    if (request.method !== "GET" && request.method !== "HEAD" && origin === undefined && !bearerOf(request)) {
      throw new RefusedError(403, "E_ORIGIN_REFUSED", `A ${request.method} without Origin needs a Bearer token.`, {});
    }
    next();
  };
}

function hostName(header: string | undefined): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::\d{1,5})?$/i.exec(header ?? "");
  return match ? (match[1] ?? match[2] ?? "").toLowerCase() : null;
}

/**
 * Lets in requests that bring the token in the URL, as a Bearer header or in the cookie. A token in the URL sets the
 * cookie, so that the page can drop it from its address and links stay clean. Cookies ignore ports, hence the port in
 * the cookie's name. A view key, in the URL or as a Bearer header, lets in who reads its own runs.
 */
export function guardToken(token: string): RequestHandler {
  return (request, response, next) => {
    const cookie = `stateline-${request.socket.localPort}`;
    const inUrl = request.query["token"];
    const key = request.query["view"] ?? bearerOf(request);
    if (typeof key === "string" && isViewKey(key)) {
      guardView(request, runsOfKey(key, token));
      next();
      return;
    }
    const given = typeof inUrl === "string" ? inUrl : (bearerOf(request) ?? cookieOf(request, cookie));
    if (given === undefined) {
      throw new RefusedError(
        401,
        "E_TOKEN_REQUIRED",
        "Open the address that `stateline serve` printed; it holds the token.",
      );
    }
    if (!equal(given, token)) {
      throw new RefusedError(
        403,
        "E_TOKEN_WRONG",
        "This token is not the one of this server. Open the address that `stateline serve` printed last.",
      );
    }
    if (typeof inUrl === "string") response.cookie(cookie, token, { httpOnly: true, sameSite: "strict" });
    next();
  };
}

/** @param opened Runs that the request's key opens. @throws RefusedError `E_VIEW_ENDED`, `E_VIEW_READS` */
function guardView(request: Request, opened: readonly string[]): void {
  const asked = runsAsked(request);
  if (asked.length === 0 || !asked.every((run) => opened.includes(run))) {
    const message = "This view has ended, or is of other runs. Run the cell of the notebook again.";
    throw new RefusedError(403, "E_VIEW_ENDED", message);
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    const message = "A notebook's view only reads. Open the address that `stateline serve` printed to do more.";
    throw new RefusedError(403, "E_VIEW_READS", message);
  }
}

/** The runs that a request is about; none for what is about all, which no key opens. */
function runsAsked({ path, query }: Request): readonly string[] {
  if (path === "/compare" || path === "/api/compare") {
    return [query["a"], query["b"]].map((id) => (typeof id === "string" ? id : ""));
  }
  const run = /^\/(?:frame|runs|api\/runs)\/([\w.-]+)(?:\/|$)/.exec(path)?.[1];
  return run === undefined ? [] : [run];
}

function bearerOf(request: Request): string | undefined {
  return /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
}

function cookieOf(request: Request, name: string): string | undefined {
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [key = "", value = ""] = part.trim().split("=", 2);
    if (key === name) return decodeOrEmpty(value);
  }
  return undefined;
}

function decodeOrEmpty(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // not our cookie's form, so not our token
  }
}

/** Takes the same time whatever differs; digests make the lengths equal. */
function equal(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export function isRunId(id: unknown): id is string {
  return typeof id === "string" && RUN_ID.test(id);
}

/**
 * A run's id as it may reach a RunSource: one path segment without a leading dot, hence no way out of a folder.
 *
 * @throws StatelineError `E_RUN_ID_INVALID`
 */
export function validRunId(id: unknown): string {
  if (isRunId(id)) return id;
  const shown = typeof id === "string" ? id : typeof id;
  throw new StatelineError(
    "E_RUN_ID_INVALID",
    `A run's id is letters, digits, dots, dashes and underscores, got ${JSON.stringify(shown)}.`,
    { id: shown },
  );
}
