import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { startServer, type ProfilerServer } from "../../profiler-ui/server/index";
import { makeViewKey, runsOfKey } from "../../profiler-ui/server/view-key";
import { RunCache } from "../../profiler-ui/server/run-cache";
import type { RunSource } from "../../profiler-ui/trace/run";
import { summarise } from "../../profiler-ui/trace/summary";
import { decodeEvents } from "../../profiler-ui/trace/wire-format";
import { sourceOf } from "./support/source";
import { syntheticRun } from "./support/synthetic-run";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const f16 = syntheticRun({ id: "f16" });
const int8 = syntheticRun({ id: "int8", wireType: "int8" });
let server: ProfilerServer;

/** A request as it stands: no normalised paths, any header. */
function ask(path: string, options: RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port: server.port, path, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    request.on("error", reject);
    request.end();
  });
}

const bearer = { authorization: "Bearer secret" };

function errorCode({ body }: Answer): unknown {
  return (JSON.parse(body.toString()) as { error: { code: unknown } }).error.code;
}

beforeAll(async () => {
  server = await startServer({ source: sourceOf([int8, f16]), token: "secret" });
});

afterAll(() => server.close());

describe("the profiler's server", () => {
  test("listens on this machine only, at an address that holds the token", () => {
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/?token=secret`);
    expect(server.urlOf("/compare?a=f16&b=int8")).toBe(
      `http://127.0.0.1:${server.port}/compare?a=f16&b=int8&token=secret`,
    );
  });

  test("makes up a long token unless it is given one", async () => {
    const other = await startServer({ source: sourceOf([]) });
    expect(other.token).toMatch(/^[\w-]{32}$/);
    await other.close();
  });

  test.each(["/", "/runs/f16", "/compare?a=f16&b=int8", "/api/runs", "/api/runs/f16/overview"])(
    "answers 401 to %s without a token and 403 with a wrong one",
    async (path) => {
      const without = await ask(path);
      expect([without.status, errorCode(without)]).toEqual([401, "E_TOKEN_REQUIRED"]);
      const wrong = await ask(path, { headers: { authorization: "Bearer secrex" } });
      expect([wrong.status, errorCode(wrong)]).toEqual([403, "E_TOKEN_WRONG"]);
    },
  );

  test("says on a page what to do when a browser comes without the token", async () => {
    const { status, headers, body } = await ask("/", { headers: { accept: "text/html,*/*;q=0.8" } });
    expect([status, headers["content-type"]]).toEqual([401, "text/html; charset=utf-8"]);
    expect(body.toString()).toContain("<code>stateline serve</code>");
  });

  test("turns the token of the address into a cookie that scripts and other sites cannot use", async () => {
    const first = await ask("/?token=secret");
    const [cookie = ""] = first.headers["set-cookie"] ?? [];
    expect(first.status).toBe(200);
    expect(cookie).toMatch(/^stateline-\d+=secret; Path=\/; HttpOnly; SameSite=Strict$/);
    expect((await ask("/api/runs", { headers: { cookie: cookie.split(";")[0] } })).status).toBe(200);
  });

  test.each(["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]", "127.0.0.1:1:2"])(
    "refuses the host %j",
    async (host) => {
      const answer = await ask("/api/runs", { headers: { ...bearer, host } });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.body.toString()).not.toContain("synthetic");
    },
  );

  test("refuses scripts of other origins and writing methods", async () => {
    const foreign = await ask("/api/runs", { headers: { ...bearer, origin: "http://evil.example" } });
    expect([foreign.status, errorCode(foreign)]).toEqual([403, "E_ORIGIN_REFUSED"]);
    const site = await ask("/api/runs", {
      headers: { ...bearer, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" },
    });
    expect(errorCode(site)).toBe("E_ORIGIN_REFUSED");
    const own = await ask("/api/runs", {
      headers: { ...bearer, origin: `http://127.0.0.1:${server.port}`, host: `127.0.0.1:${server.port}` },
    });
    expect(own.status).toBe(200);
    const post = await ask("/api/runs", { method: "POST", headers: bearer });
    expect([post.status, errorCode(post)]).toEqual([405, "E_METHOD_REFUSED"]);
  });

  test("lets a link from another page open a page", async () => {
    const headers = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
    expect((await ask("/?token=secret", { headers })).status).toBe(200);
  });

  test("forbids inline scripts and styles on every answer", async () => {
    for (const path of ["/?token=secret", "/style.css", "/nowhere"]) {
      const { headers } = await ask(path);
      expect(headers["content-security-policy"]).toBe(
        "default-src 'none';script-src 'self';style-src 'self';img-src 'self' data: blob:;connect-src 'self';base-uri 'none';form-action 'none';frame-ancestors 'none'",
      );
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["referrer-policy"]).toBe("no-referrer");
      expect(headers["x-powered-by"]).toBeUndefined();
    }
  });

  test("hands out keys to notebooks, which open the runs they name for reading, for a while, and nothing else", async () => {
    const keyOf = async (runs: unknown): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${server.port}/api/views`, {
        method: "POST",
        headers: { ...bearer, "content-type": "application/json" },
        body: JSON.stringify({ runs }),
      });
      const { key, error } = (await response.json()) as { key?: string; error?: { code: string } };
      return key ?? error?.code ?? "";
    };
    expect(await keyOf(["none"])).toBe("E_RUN_NOT_FOUND");
    expect(await keyOf("../x")).toBe("E_RUN_ID_INVALID");
    expect(await keyOf([])).toBe("E_RUN_ID_INVALID");
    const key = await keyOf(["f16"]);
    expect(key).toMatch(/^view\.\d{13}\.f16\.[\w-]{43}$/);
    const withKey = { headers: { authorization: `Bearer ${key}` } };
    for (const where of [`/frame/f16?view=${key}`, `/runs/f16?view=${key}`, `/api/runs/f16/export/svg?view=${key}`]) {
      const { status, headers } = await ask(where);
      expect([where, status, headers["set-cookie"]]).toEqual([where, 200, undefined]);
    }
    for (const readable of ["", "/overview", "/lanes", "/summary"])
      expect((await ask(`/api/runs/f16${readable}`, withKey)).status).toBe(200);
    const refused: readonly (readonly [path: string, options: RequestOptions])[] = [
      ["/api/runs/int8", withKey],
      ["/api/runs", withKey],
      ["/api/compare?a=f16&b=int8", withKey],
      ["/api/compare?a=f16&a=int8&b=f16", withKey],
      ["/", { headers: { cookie: `stateline-${server.port}=${key}` } }],
      [`/frame/int8?view=${key}`, {}],
      [`/?token=${key}`, {}],
      ["/api/runs/f16", { ...withKey, method: "DELETE" }],
      ["/api/runs/f16/sql", { ...withKey, method: "POST" }],
      ["/api/views", { ...withKey, method: "POST" }],
      ["/api/runs/f16", { headers: { authorization: `Bearer ${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}` } }],
      ["/api/runs/f16", { headers: { authorization: `Bearer ${key.replace(/\d{13}/, "9999999999999")}` } }],
      ["/api/runs/int8", { headers: { authorization: `Bearer ${key.replace("f16", "int8")}` } }],
    ];
    for (const [where, options] of refused) expect([where, (await ask(where, options)).status]).toEqual([where, 403]);
    const both = { headers: { authorization: `Bearer ${await keyOf(["f16", "int8"])}` } };
    for (const where of ["/api/runs/int8", "/api/compare?a=f16&b=int8", "/compare?a=int8&b=f16"])
      expect((await ask(where, both)).status).toBe(200);
    const hour = 3600 * 1000;
    const fresh = makeViewKey("secret", ["a-1.b", "c_2"]);
    expect(runsOfKey(fresh, "secret", Date.now() + 7 * hour)).toEqual(["a-1.b", "c_2"]);
    expect(runsOfKey(fresh, "secret", Date.now() + 9 * hour)).toEqual([]);
    expect(runsOfKey(fresh, "of another server")).toEqual([]);
  });

  test("lets notebooks of this machine show a run's timeline in a frame, others where they are named, and no other page", async () => {
    const ancestors = async (path: string, port: number): Promise<string | undefined> => {
      const { headers } = await ask(path, { port, headers: bearer });
      expect(headers["x-frame-options"]).toBeUndefined(); // it would have no list
      return /frame-ancestors ([^;]*)/.exec(String(headers["content-security-policy"]))?.[1];
    };
    expect(await ancestors("/frame/f16", server.port)).toBe("http://localhost:* http://127.0.0.1:*");
    expect(await ancestors("/frame/f16?view=over", server.port)).toBe("http://localhost:* http://127.0.0.1:*");
    for (const path of ["/", "/runs/f16", "/api/runs", "/framed"])
      expect(await ancestors(path, server.port)).toBe("'none'");
    const frameOrigins = ["https://hub.example", "vscode-webview:"];
    const other = await startServer({ source: sourceOf([f16]), token: "secret", frameOrigins });
    expect(await ancestors("/frame/f16", other.port)).toBe("https://hub.example vscode-webview:");
    await other.close();
    for (const wrong of ["*", "https://a b", "https://a;script-src *", "hub.example", "'self'"])
      await expect(startServer({ source: sourceOf([]), frameOrigins: [wrong] })).rejects.toMatchObject({
        code: "E_FRAME_ORIGIN_INVALID",
        details: { origin: wrong },
      });
  });

  test.each([
    "/api/runs/..%2f..%2fetc%2fpasswd",
    "/api/runs/%2e%2e",
    "/api/runs/%2e%2e/summary",
    "/runs/..%5c..%5csecret",
    "/api/runs/.hidden",
    "/api/runs/a%00b",
    `/api/runs/${"a".repeat(200)}`,
    "/api/compare?a=../../x&b=f16",
    "/api/compare?a=f16",
  ])("refuses %s as a run's id", async (path) => {
    const answer = await ask(path, { headers: bearer });
    expect([answer.status, errorCode(answer)]).toEqual([400, "E_RUN_ID_INVALID"]);
  });

  test.each([
    "/../package.json",
    "/..%2fpackage.json",
    "/%2e%2e/%2e%2e/package.json",
    "/.env",
    "/index.html",
    "/api/runs/%zz",
  ])("gives no file for %s", async (path) => {
    const answer = await ask(path, { headers: bearer });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.body.toString()).not.toMatch(/devDependencies|<!doctype html>/);
  });

  test("gives runs, summaries and comparisons as JSON", async () => {
    const json = async (path: string): Promise<unknown> =>
      JSON.parse((await ask(path, { headers: bearer })).body.toString());
    const runs = (await json("/api/runs")) as Record<string, unknown>[];
    expect(runs).toMatchObject([int8.info, f16.info].map(({ id, label, events }) => ({ id, label, events })));
    // Of each as much as the list shows: neither machine nor clocks, of requests no answers.
    const shown = Object.keys(f16.info).filter((name) => name in (runs[0] ?? {}));
    expect(shown).toEqual(expect.not.arrayContaining(["machine", "clocks", "memory", "versions", "requests"]));
    const [request] = f16.info.requests;
    expect(runs[1]).toMatchObject({ prompts: request?.prompt, decode: request?.decodeTokensPerSecond });
    expect(await json("/api/runs/f16")).toEqual(f16.info);
    expect(await json("/api/runs/f16/summary")).toEqual(JSON.parse(JSON.stringify(summarise(f16.events))));
    expect(await json("/api/compare?a=f16&b=int8")).toMatchObject({
      a: { id: "f16" },
      b: { id: "int8" },
      verdict: expect.any(String) as string,
    });
    const missing = await ask("/api/runs/none", { headers: bearer });
    expect([missing.status, errorCode(missing)]).toEqual([404, "E_RUN_NOT_FOUND"]);
  });

  test("gives every event exactly once in the tiles of its lane", async () => {
    const lanes = JSON.parse((await ask("/api/runs/int8/lanes", { headers: bearer })).body.toString()) as {
      rank: number;
      stream: number;
      events: number;
      tiles: number;
    }[];
    expect(lanes.map(({ rank, stream }) => [rank, stream])).toEqual([
      [0, 2],
      [0, 0],
      [0, 1],
      [1, 2],
      [1, 0],
      [1, 1],
    ]);
    let events = 0;
    for (const { rank, stream, events: expected, tiles } of lanes) {
      for (let tile = 0; tile < tiles; tile++) {
        const { body } = await ask(`/api/runs/int8/lanes/${rank}/${stream}/${tile}`, { headers: bearer });
        const columns = decodeEvents(new Uint8Array(body).buffer);
        expect(new Set(columns.rank)).toEqual(new Set([rank]));
        expect(columns.count).toBe(expected);
        events += columns.count;
      }
    }
    expect(events).toBe(int8.events.count);
    const beyond = await ask("/api/runs/int8/lanes/0/0/9", { headers: bearer });
    expect([beyond.status, errorCode(beyond)]).toEqual([404, "E_TILE_NOT_FOUND"]);
  });

  test.each([
    "kind=marks&from=0&to=1e15&bucket=1",
    "kind=marks&from=0&to=1000&bucket=0",
    "kind=marks&from=0&to=NaN&bucket=10",
    "kind=marks&from=0&to=1e300&bucket=1e299",
    "kind=marks&from=0&from=1&to=2&bucket=1",
    "kind=spans&from=0",
    "kind=go&move=away&direction=1&from=0&to=9",
    "kind=selection&span=0.0.0",
    "kind=selection&span=0.0.0.1e999",
    "kind=collective&group=0",
    "kind=__proto__",
    "",
  ])("refuses to look for %s, and goes on", async (query) => {
    const refused = await ask(`/api/runs/int8/look?${query}`, { headers: bearer });
    expect([refused.status, errorCode(refused)]).toEqual([400, "E_LOOK_INVALID"]);
    const none = await ask("/api/runs/int8/look?kind=selection&span=9.9.9.9", { headers: bearer });
    expect(none.status).toBe(204);
  });

  test("says which port is in use, and which is none", async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    const { port } = blocker.address() as AddressInfo;
    const failure = await startServer({ source: sourceOf([]), port }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "E_PORT_IN_USE", details: { port } });
    await new Promise((resolve) => blocker.close(resolve));
    await expect(startServer({ source: sourceOf([]), port: 70_000 })).rejects.toMatchObject({ code: "E_PORT_INVALID" });
  });

  test("closes within a second though a client keeps its connection, twice without harm", async () => {
    const other = await startServer({ source: sourceOf([f16]) });
    const response = await fetch(`http://127.0.0.1:${other.port}/api/runs`, {
      headers: { authorization: `Bearer ${other.token}` },
    });
    expect(response.status).toBe(200);
    const begin = Date.now();
    await Promise.all([other.close(), other.close()]);
    expect(Date.now() - begin).toBeLessThan(1000);
    await expect(fetch(`http://127.0.0.1:${other.port}/`)).rejects.toThrow();
  });

  test("reads a run while its page loads, and starts nothing for it when it was closed meanwhile", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const source = sourceOf([f16]);
    let asked = 0;
    const slow: RunSource = {
      ...source,
      events: async (id) => {
        asked++;
        await held;
        return source.events(id);
      },
    };
    const cache = new RunCache(slow);
    cache.prepare("f16");
    const answer = cache.ask("f16", { kind: "lanes" });
    await cache.close();
    release();
    await expect(answer).rejects.toMatchObject({ code: "E_ANALYSIS_ENDED" });
    expect(asked).toBe(1);
  });

  test("answers a source that fails with its code, and a bug without its stack", async () => {
    const failing = sourceOf([]);
    const other = await startServer({
      source: { ...failing, list: () => Promise.reject(new TypeError("secret detail")) },
      token: "t",
    });
    const response = await fetch(`http://127.0.0.1:${other.port}/api/runs`, { headers: { authorization: "Bearer t" } });
    expect(response.status).toBe(500);
    expect(await response.text()).toBe(
      '{"error":{"code":"E_INTERNAL","message":"The server failed; its output has the reason.","details":{}}}',
    );
    await other.close();
  });
});

test("sends four exports at once, and the next when one of them is over", async () => {
  let begun = 0;
  const ended: (() => void)[] = [];
  const parquet = async function* (): AsyncGenerator<Uint8Array> {
    begun++;
    yield new Uint8Array(1);
    await new Promise<void>((end) => ended.push(end));
  };
  const slow = await startServer({ source: { ...sourceOf([f16]), parquet }, token: "t" });
  const ask = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${slow.port}/api/${path}`, { headers: { authorization: "Bearer t" } });
  try {
    const four = await Promise.all(Array.from({ length: 4 }, () => ask("runs/f16/export/parquet")));
    const fifth = ask("runs/f16/export/parquet");
    expect((await ask("runs/f16")).status).toBe(200);
    expect(begun).toBe(4);
    ended[0]?.();
    expect((await fifth).status).toBe(200);
    expect(begun).toBe(5);
    for (const end of ended) end();
    await Promise.all(four.map((response) => response.arrayBuffer()));
  } finally {
    for (const end of ended) end();
    await slow.close();
  }
});
