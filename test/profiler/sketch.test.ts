import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEvents } from "../../kernel/api/runs/parquet-reader";
import { sketchEvents } from "../../kernel/api/runs/sketch";
import { RunCache } from "../../profiler-ui/server/run-cache";
import type { EventColumns } from "../../profiler-ui/trace/events";
import { decodeEvents } from "../../profiler-ui/trace/wire-format";
import { sourceOf } from "./support/source";
import { storeRun } from "./support/stored-run";
import { syntheticRun } from "./support/synthetic-run";

describe("a sketch of a run", () => {
  const run = syntheticRun({ id: "run", ranks: 3, layers: 3, decodeSteps: 30, wireType: "int8" });
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "stateline-test-"));
    await storeRun(folder, run);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([1, 7, 100])("of %i stretches has the longest span of each, and the run's ends", async (pixels) => {
    const events = await readEvents(join(folder, "run"));
    const sketch = await sketchEvents(join(folder, "run"), pixels);
    if (!sketch) throw new Error("no sketch");
    const ends = (of: EventColumns): number[] => Array.from(of.startNs, (start, i) => start + (of.durNs[i] ?? 0));
    const [first = 0] = events.startNs;
    const last = Math.max(...ends(events));
    expect([sketch.startNs[0], Math.max(...ends(sketch))]).toEqual([first, last]);

    const stretch = Math.ceil((last - first) / pixels);
    const longest = (of: EventColumns): Map<string, number> => {
      const found = new Map<string, number>();
      for (let i = 0; i < of.count; i++) {
        const key = [of.rank[i], of.stream[i], Math.floor((of.startNs[i] ?? 0) / stretch)].join(" ");
        found.set(key, Math.max(found.get(key) ?? 0, of.durNs[i] ?? 0));
      }
      return found;
    };
    expect(longest(sketch)).toEqual(longest(events));
    expect(sketch.count).toBeLessThanOrEqual(longest(events).size + 2);
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
        return sketchEvents(join(folder, "run"), pixels);
      },
      events: (id) => held.then(() => source.events(id)),
    });
    try {
      const sketch = await cache.sketch("run");
      release();
      const overview = await cache.ask("run", { kind: "overview" });
      if (!(sketch instanceof Uint8Array) || !(overview instanceof Uint8Array)) throw new Error("no events");
      expect(decodeEvents(sketch.buffer).count).toBeLessThan(decodeEvents(overview.buffer).count);
      expect(await cache.sketch("run")).toEqual(overview);
      expect(sketches).toBe(1);
    } finally {
      await cache.close();
    }
  });
});
