import { RunCache } from "../../profiler-ui/server/run-cache";
import type { RunInfo, RunSource } from "../../profiler-ui/trace/run";
import { sourceOf } from "./support/source";
import { syntheticRun } from "./support/synthetic-run";

const caches: RunCache[] = [];

afterEach(() => Promise.all(caches.splice(0).map((cache) => cache.close())));

/** A cache that keeps no more than it must, and the ids of the runs that it has read. */
function cacheOf(source: RunSource): { cache: RunCache; read: string[]; most: () => number } {
  const read: string[] = [];
  let [now, most] = [0, 0];
  const events = async (id: string): ReturnType<RunSource["events"]> => {
    read.push(id);
    most = Math.max(most, ++now);
    const columns = await source.events(id);
    await new Promise(setImmediate);
    now--;
    return columns;
  };
  const cache = new RunCache({ ...source, events }, { keepBytes: 0 });
  caches.push(cache);
  return { cache, read, most: () => most };
}

describe("runs in the server's memory", () => {
  test("are read one at a time, and the two that were used last stay, so that they can be compared", async () => {
    const { cache, read, most } = cacheOf(sourceOf(["a", "b", "c"].map((id) => syntheticRun({ id }))));
    await Promise.all(["a", "b"].map((id) => cache.ask(id, { kind: "lanes" })));
    expect(await cache.compare("a", "b")).toContain("verdict");
    for (const id of ["a", "b", "a"]) await cache.ask(id, { kind: "lanes" });
    expect(read).toEqual(["a", "b"]);
    await cache.ask("c", { kind: "lanes" });
    await cache.ask("a", { kind: "lanes" });
    expect(read).toEqual(["a", "b", "c"]);
    await cache.ask("b", { kind: "lanes" });
    expect(read).toEqual(["a", "b", "c", "b"]);
    expect(most()).toBe(1);
  });

  test("answer a question that another one, of a run that has grown meanwhile, overtakes", async () => {
    const run = syntheticRun({ id: "live" });
    const info: RunInfo = { ...run.info, status: "recording", events: 10 };
    const grown: RunInfo = { ...info, status: "complete" };
    const told = [info, info, grown];
    const { cache } = cacheOf({ ...sourceOf([run]), info: () => Promise.resolve(told.shift() ?? grown) });
    await cache.ask("live", { kind: "lanes" });
    const answers = await Promise.all([cache.ask("live", { kind: "summary" }), cache.ask("live", { kind: "lanes" })]);
    expect(answers).toEqual([expect.stringContaining('"ranks"'), expect.stringContaining('"tiles"')]);
  });

  test("are read again once when they have grown, however many ask, and not for a question that is older", async () => {
    const run = syntheticRun({ id: "live" });
    let info: RunInfo = { ...run.info, status: "recording", events: 10 };
    const { cache, read } = cacheOf({ ...sourceOf([run]), info: () => Promise.resolve(info) });
    const askThrice = (): Promise<unknown> =>
      Promise.all((["lanes", "overview", "summary"] as const).map((kind) => cache.ask("live", { kind })));
    await askThrice();
    const older = info;
    info = { ...info, events: 20 };
    await askThrice();
    info = older;
    await askThrice();
    expect(read).toHaveLength(2);
    info = { ...info, events: 20, status: "complete" };
    await askThrice();
    expect(read).toHaveLength(3);
  });
});
