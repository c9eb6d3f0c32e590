import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEvents } from "../../kernel/api/runs/parquet-reader";
import { sketchMarks } from "../../kernel/api/runs/sketch";
import { RunCache } from "../../profiler-ui/server/run-cache";
import { pick } from "../../profiler-ui/trace/columns";
import { lanesOfMarks } from "../../profiler-ui/trace/marks";
import { decodeMarks } from "../../profiler-ui/trace/wire-format";
import { sourceOf } from "./support/source";
import { storeRun } from "./support/stored-run";
import { syntheticRun } from "./support/synthetic-run";

describe("a sketch of a run", () => {
  const run = syntheticRun({ id: "run", ranks: 3, layers: 3, decodeSteps: 30, wireType: "int8" });
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "stateline-test-"));
    // In two files, as a run that took a while.
    const half = (id: string, keep: (i: number) => boolean): Promise<string> => {
      const index = Uint32Array.from(Array.from(run.events.startNs.keys()).filter(keep));
      return storeRun(folder, { info: { ...run.info, id }, events: pick(run.events, index) });
    };
    const middle = run.events.count / 2;
    const first = await half("run", (i) => i < middle);
    const second = await half("later", (i) => i >= middle);
    renameSync(join(second, "events-00000.parquet"), join(first, "events-00001.parquet"));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([1, 7, 100])("of %i stretches has the longest span of each and how many it stands for", async (pixels) => {
    const events = await readEvents(join(folder, "run"));
    const sketch = await sketchMarks(join(folder, "run"), pixels);
    if (!sketch) throw new Error("no sketch");
    const { marks } = sketch;
    const [first = 0] = events.startNs;
    const last = Math.max(...events.startNs.map((start, i) => start + (events.durNs[i] ?? 0)));
    expect([Math.min(...marks.fromNs), Math.max(...marks.toNs)]).toEqual([0, last - first]);

    const stretch = Math.ceil((Math.max(...events.startNs) - first) / pixels);
    const found = new Map<string, { longest: number; spans: number }>();
    for (let i = 0; i < events.count; i++) {
      const key = [events.rank[i], events.stream[i], Math.floor((events.startNs[i] ?? 0) / stretch)].join(" ");
      const { longest = 0, spans = 0 } = found.get(key) ?? {};
      found.set(key, { longest: Math.max(longest, events.durNs[i] ?? 0), spans: spans + 1 });
    }
    const of = sketch.events;
    const drawn = Array.from(of.startNs, (start, k): [string, { longest: number; spans: number }] => [
      [of.rank[k], of.stream[k], Math.floor((start + first) / stretch)].join(" "),
      { longest: of.durNs[k] ?? 0, spans: marks.spans[k] ?? 0 },
    ]);
    expect(new Map(drawn)).toEqual(found);
    expect(drawn).toHaveLength(found.size);
    for (const { row } of lanesOfMarks(sketch).flatMap(({ rows }) => rows))
      row.end.forEach((end, k) => expect(end).toBeLessThanOrEqual(row.start[k + 1] ?? Infinity));
  });

  test("answers before a long run is read, and no more once it is", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const source = sourceOf([{ ...run, info: { ...run.info, events: 1_000_000 } }]);
    let sketches = 0;
    const cache = new RunCache({
      ...source,
      sketch: (_, pixels) => {
        sketches++;
        return sketchMarks(join(folder, "run"), pixels);
      },
      events: (id) => held.then(() => source.events(id)),
    });
    try {
      const sketch = await cache.sketch("run");
      release();
      const overview = await cache.ask("run", { kind: "overview" });
      if (!(sketch instanceof Uint8Array) || !(overview instanceof Uint8Array)) throw new Error("no events");
      expect(decodeMarks(sketch.buffer).events.count).toBeLessThan(decodeMarks(overview.buffer).events.count);
      expect(await cache.sketch("run")).toEqual(overview);
      expect(sketches).toBe(1);
    } finally {
      await cache.close();
    }
  });
});
