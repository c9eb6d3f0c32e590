import fc from "fast-check";
import { pick } from "../../profiler-ui/trace/columns";
import { compareRuns } from "../../profiler-ui/trace/compare";
import { formatTime } from "../../profiler-ui/trace/format";
import { laneViews } from "../../profiler-ui/trace/lane-view";
import { buildLanes, spanAt } from "../../profiler-ui/trace/lanes";
import { buildForest, busyIn, longestIn, visitVisible } from "../../profiler-ui/trace/level-of-detail";
import { IntervalBuilder, lengthOf, subtract, unite, type Intervals } from "../../profiler-ui/trace/intervals";
import { opsInView } from "../../profiler-ui/trace/ops-in-view";
import { quantile, Sample } from "../../profiler-ui/trace/quantiles";
import { kindTime, summarise } from "../../profiler-ui/trace/summary";
import { isOfEqualWork } from "../../profiler-ui/trace/verdict";
import { eventsOf } from "./support/events";
import { syntheticLargeRun, syntheticRun } from "./support/synthetic-run";

/** Sets of small integers, to hold interval sets against. */
const spans = fc.array(fc.tuple(fc.nat(60), fc.nat(12)), { maxLength: 12 });

function intervalsOf(list: readonly (readonly [number, number])[]): Intervals {
  const builder = new IntervalBuilder();
  for (const [start, length] of [...list].sort(([a], [b]) => a - b)) builder.add(start, start + length);
  return builder.build();
}

function cells(list: readonly (readonly [number, number])[]): Set<number> {
  return new Set(list.flatMap(([start, length]) => Array.from({ length }, (_, i) => start + i)));
}

describe("interval sets", () => {
  test("measure, unite and subtract as sets of instants do", () => {
    fc.assert(
      fc.property(spans, spans, (a, b) => {
        const cellsA = cells(a);
        const cellsB = cells(b);
        expect(lengthOf(intervalsOf(a))).toBe(cellsA.size);
        expect(lengthOf(unite(intervalsOf(a), intervalsOf(b)))).toBe(new Set([...cellsA, ...cellsB]).size);
        expect(lengthOf(subtract(intervalsOf(a), intervalsOf(b)))).toBe(
          [...cellsA].filter((cell) => !cellsB.has(cell)).length,
        );
      }),
    );
  });

  test("stay sorted and disjoint", () => {
    fc.assert(
      fc.property(spans, spans, (a, b) => {
        const set = unite(intervalsOf(a), subtract(intervalsOf(b), intervalsOf(a)));
        for (let i = 1; i < set.length; i++) expect(set[i]).toBeGreaterThanOrEqual(set[i - 1] ?? 0);
      }),
    );
  });
});

describe("lanes", () => {
  test("put a child below its parent and never let spans of a row overlap", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(50)), { minLength: 1, maxLength: 60 }), (list) => {
        const events = eventsOf(list.map(([start, dur]) => ({ name: "x", start, dur })));
        for (const lane of buildLanes(events)) {
          for (const row of lane.rows) {
            for (let k = 1; k < row.start.length; k++) {
              expect(row.start[k]).toBeGreaterThanOrEqual(row.end[k - 1] ?? 0);
            }
          }
        }
      }),
    );
    const nested = eventsOf([
      { name: "quantise", start: 0, dur: 2, seq: 0 },
      { name: "all_reduce.out_proj", start: 0, dur: 10, seq: 0 },
      { name: "exchange", start: 2, dur: 8, seq: 0 },
    ]);
    const [lane] = buildLanes(nested);
    const names = lane?.rows.map((row) => [...row.index].map((i) => nested.name.texts[nested.name.codes[i] ?? 0]));
    expect(names).toEqual([["all_reduce.out_proj"], ["quantise", "exchange"]]);
  });

  test("find the span under a point of time, and none in a gap", () => {
    const [lane] = buildLanes(
      eventsOf([
        { name: "a", start: 10, dur: 5 },
        { name: "b", start: 20, dur: 5 },
      ]),
    );
    const row = lane?.rows[0];
    if (!row) throw new Error("no row");
    expect([9, 10, 14, 15, 20, 25].map((time) => spanAt(row, time))).toEqual([-1, 0, 0, -1, 1, -1]);
  });
});

describe("level of detail", () => {
  const durations = fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 40 })), { minLength: 1, maxLength: 300 });

  function rowOf(list: readonly (readonly [number, number])[]) {
    let clock = 0;
    const rows = list.map(([gap, dur]) => {
      const start = clock + gap;
      clock = start + dur;
      return { name: "x", start, dur };
    });
    const [lane] = buildLanes(eventsOf(rows));
    const row = lane?.rows[0];
    if (!row) throw new Error("no row");
    return row;
  }

  test("the longest span and the length of any range are those that a look at all of it finds", () => {
    fc.assert(
      fc.property(durations, fc.nat(300), fc.nat(300), (list, x, y) => {
        const row = rowOf(list);
        const from = Math.min(x, list.length);
        const to = Math.min(from + y, list.length);
        let best = -1;
        for (let i = from; i < to; i++) if (best < 0 || (list[i]?.[1] ?? 0) > (list[best]?.[1] ?? 0)) best = i;
        const forest = buildForest(row);
        expect(longestIn(forest, from, to)).toBe(best);
        expect(busyIn(forest, from, to)).toBe(list.slice(from, to).reduce((sum, [, dur]) => sum + dur, 0));
      }),
    );
  });

  test("every span in the window is drawn once, by itself or within a bucket", () => {
    fc.assert(
      fc.property(
        durations,
        fc.nat(1000),
        fc.nat(1000),
        fc.constantFrom(1, 2, 8, 32, 256),
        (list, x, length, bucket) => {
          const row = rowOf(list);
          const to = x + length;
          const inWindow = [...row.start].filter((start, i) => start < to && (row.end[i] ?? 0) > x).length;
          let seen = 0;
          let lastEnd = -Infinity;
          visitVisible(buildForest(row), x, to, bucket, (position, count, start) => {
            seen += count;
            expect(start).toBeGreaterThan(lastEnd);
            lastEnd = start;
            if (count === 1) expect(row.start[position]).toBe(start);
          });
          // The last bucket may reach beyond the window, never the first.
          const beyond = [...row.start].filter((start) => start >= to && start < to + bucket).length;
          expect(seen).toBeGreaterThanOrEqual(inWindow);
          expect(seen).toBeLessThanOrEqual(inWindow + beyond);
        },
      ),
    );
  });

  test("spans without length are drawn and counted, also where the window begins", () => {
    const events = eventsOf([
      { name: "norm", start: 0, dur: 0 },
      { name: "norm", start: 40, dur: 0 },
    ]);
    const lanes = laneViews(events);
    const seen: number[] = [];
    for (const forest of lanes[0]?.rows ?? [])
      visitVisible(forest, 0, 40, 1, (_position, _count, start) => seen.push(start));
    expect(seen).toEqual([0]);
    expect(opsInView(lanes, 40, 41)).toMatchObject([{ name: "norm", count: 1, ns: 0 }]);
  });

  test("a million spans cost a screen of them: at most two marks a pixel and row", () => {
    const { events } = syntheticLargeRun(1_000_000);
    expect(events.count).toBeGreaterThanOrEqual(1_000_000);
    const pixels = 1600;
    const last = Math.max(...Array.from({ length: 64 }, (_, k) => events.startNs[events.count - 1 - k] ?? 0));
    for (const lane of buildLanes(events)) {
      for (const row of lane.rows) {
        let marks = 0;
        visitVisible(buildForest(row), 0, last, last / pixels, () => marks++);
        expect(marks).toBeLessThanOrEqual(2 * pixels);
      }
    }
  });
});

describe("a run's summary", () => {
  const events = eventsOf([
    { name: "step", phase: "prefill", start: 0, dur: 100, step: 0, tokens: 10 },
    { name: "in_proj.x", phase: "prefill", start: 0, dur: 20, step: 0, tokens: 10 },
    { name: "selective_scan", phase: "prefill", start: 20, dur: 30, step: 0, tokens: 10 },
    {
      name: "all_reduce.out_proj",
      phase: "prefill",
      start: 50,
      dur: 40,
      step: 0,
      tokens: 10,
      seq: 0,
      wireBytes: 1000,
      wireType: "int8",
    },
    { name: "quantise", phase: "prefill", start: 50, dur: 10, step: 0, tokens: 10, seq: 0, wireType: "int8" },
    { name: "exchange", phase: "prefill", start: 60, dur: 25, step: 0, tokens: 10, seq: 0, wireType: "int8" },
    { name: "in_proj.z", phase: "prefill", start: 80, dur: 15, step: 0, tokens: 10 },
    { name: "step", start: 200, dur: 50, step: 1 },
    { name: "state_update", start: 200, dur: 10, step: 1 },
    { name: "state_update", start: 220, dur: 30, step: 1 },
  ]);
  const summary = summarise(events);
  const [rank] = summary.ranks;

  test("counts a collective and its parts once", () => {
    expect(rank && kindTime(rank, "collective").busyNs).toBe(40);
  });

  test("separates AllReduce time that compute hides from time it does not", () => {
    expect(rank?.exposedNs).toBe(30);
    expect(rank?.overlapShare).toBeCloseTo(0.25);
    expect(summary.exposedNs).toBe(30);
  });

  test("gives each kind's share of step time, which with idle add up to one", () => {
    expect(rank?.stepNs).toBe(150);
    expect(rank && kindTime(rank, "scan").share).toBeCloseTo(70 / 150);
    expect(rank && kindTime(rank, "gemm").share).toBeCloseTo(35 / 150);
    expect(rank?.idleNs).toBe(5 + 10);
    const sum = (rank?.idleShare ?? 0) + (rank?.kinds ?? []).reduce((total, kind) => total + kind.share, 0);
    expect(sum).toBeCloseTo(1);
  });

  test("lists each op with count, total, mean, percentiles and share", () => {
    const update = summary.ops.find((op) => op.name === "state_update");
    expect(update).toMatchObject({ kind: "scan", nested: false, count: 2, totalNs: 40, meanNs: 20, p50Ns: 20 });
    expect(update?.p99Ns).toBeCloseTo(29.8);
    expect(update?.share).toBeCloseTo(40 / 150);
    expect(summary.ops.find((op) => op.name === "quantise")?.nested).toBe(true);
    expect(summary.ops.some((op) => op.name === "step")).toBe(false);
  });

  test("takes an op inside a step for one of its own, not for a part of another", () => {
    const { ops } = summarise(
      eventsOf([
        { name: "step", start: 0, dur: 100 },
        { name: "sample", start: 90, dur: 5, stream: 2 },
      ]),
    );
    expect(ops).toEqual([expect.objectContaining({ name: "sample", nested: false, share: 0.05 })]);
  });

  test("gives tokens, time and speed of prefill and decode", () => {
    expect(summary.phases).toEqual([
      { phase: "prefill", steps: 1, tokens: 10, timeNs: 100, tokensPerSecond: 1e8 },
      { phase: "decode", steps: 1, tokens: 1, timeNs: 50, tokensPerSecond: 2e7 },
    ]);
  });

  test("splits a collective into the wait for the last rank and the transfer", () => {
    const { collectives } = summarise(
      eventsOf([
        {
          name: "all_reduce.out_proj",
          rank: 0,
          start: 0,
          dur: 50,
          seq: 7,
          wireBytes: 10,
          wireType: "f16",
          algorithm: "one-shot",
        },
        {
          name: "all_reduce.out_proj",
          rank: 1,
          start: 30,
          dur: 21,
          seq: 7,
          wireBytes: 10,
          wireType: "f16",
          algorithm: "one-shot",
        },
        {
          name: "all_reduce.out_proj",
          rank: 0,
          start: 100,
          dur: 9,
          seq: 8,
          wireBytes: 10,
          wireType: "f16",
          algorithm: "one-shot",
        },
      ]),
    );
    expect(collectives).toEqual([
      {
        name: "all_reduce.out_proj",
        wireType: "f16",
        algorithm: "one-shot",
        count: 1,
        wireBytes: 30,
        meanSkewNs: 30,
        p99SkewNs: 30,
        meanTransferNs: 21,
        p99TransferNs: 21,
      },
    ]);
  });

  test("of nothing is empty, not NaN", () => {
    expect(summarise(eventsOf([]))).toMatchObject({
      events: 0,
      durationNs: 0,
      ranks: [],
      ops: [],
      phases: [],
      wireBytes: 0,
      exposedNs: 0,
    });
  });

  test("kinds and idle of every rank of a realistic run add up to its step time", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.nat(),
        fc.constantFrom("f16" as const, "int8" as const),
        (ranks, seed, wireType) => {
          const run = summarise(syntheticRun({ ranks, seed, wireType, layers: 2, decodeSteps: 3 }).events);
          expect(run.ranks).toHaveLength(ranks);
          for (const { kinds, idleNs, stepNs } of run.ranks) {
            expect(kinds.reduce((sum, kind) => sum + kind.ownNs, idleNs)).toBeCloseTo(stepNs, 3);
          }
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe("a comparison of two runs", () => {
  const f16 = syntheticRun({ id: "f16", wireType: "f16" });
  const int8 = syntheticRun({ id: "int8", wireType: "int8" });
  const comparison = compareRuns(f16, int8);

  test("finds ops that only one run has", () => {
    const only = comparison.ops.filter((op) => op.onlyIn !== null).map((op) => [op.name, op.onlyIn]);
    expect(new Set(only.map(([name]) => name))).toEqual(new Set(["quantise", "exchange", "reduce", "dequantise"]));
    expect(only.every(([, run]) => run === "b")).toBe(true);
  });

  test("its kinds add up to the difference in step time", () => {
    const sum = comparison.kinds.reduce((total, kind) => total + kind.difference, 0);
    expect(sum).toBeCloseTo(comparison.step.difference, 3);
  });

  test("pairs the same call of both runs", () => {
    const scan = comparison.ops.find((op) => op.name === "selective_scan");
    expect(scan?.paired?.pairs).toBe(2 * 8);
    expect(comparison.ops.find((op) => op.name === "quantise")?.paired).toBeNull();
  });

  test("of a run with itself shows no difference anywhere and says so", () => {
    const same = compareRuns(f16, f16);
    expect(same.step.difference).toBe(0);
    expect(same.ops.every((op) => op.total.difference === 0 && op.paired?.medianDifferenceNs === 0)).toBe(true);
    expect(same.verdict).toMatch(/^Prefill shows no difference .*decode shows no difference .*same /);
  });

  test("says in a sentence what the smaller wire type bought", () => {
    expect(comparison.verdict).toMatch(/The wire carries [\d.]+ \wB → [\d.]+ \wB \(−\d+\.\d %\)/);
    expect(comparison.wireBytes.ratio).toBeLessThan(0.7);
  });

  test("says of totals that they are of unequal work, and only then", () => {
    const shorter = syntheticRun({ decodeSteps: 12, seed: 3 });
    const { verdict, phases } = compareRuns(f16, shorter);
    expect(verdict).toMatch(/unequal work, 24 and 12 tokens of decode: their totals do not compare/);
    expect(isOfEqualWork(phases)).toBe(false);
    expect(comparison.verdict).not.toContain("unequal");
  });

  test("of one rank with two, or of two models, says what only one of them has", () => {
    const alone = syntheticRun({ ranks: 1, wireType: "f16" });
    const events = pick(
      alone.events,
      Uint32Array.from({ length: alone.events.count }, (_, i) => i).filter((i) => (alone.events.seq[i] ?? -1) < 0),
    );
    const { verdict, exposed } = compareRuns({ info: alone.info, events }, f16);
    expect(exposed.a).toBe(0);
    expect(verdict).toContain(
      `AllReduce that compute does not hide takes ${formatTime(exposed.b)} a rank in B, none in A.`,
    );
    const other = { ...f16.info, model: { ...f16.info.model, name: "tiny-zamba" } };
    expect(compareRuns(f16, { ...f16, info: other }).verdict).toContain("The models differ, tiny-mamba and tiny-zamba");
    expect(verdict).not.toContain("models");
  });

  test("finds quantiles as sorting does", () => {
    const values = fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.double({ noNaN: true })), { minLength: 1 });
    fc.assert(
      fc.property(
        values,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (all, x, y) => {
          const sample = new Sample();
          for (const value of all) sample.add(value);
          const sorted = Float64Array.from(all).sort();
          const shares = [Math.min(x, y), Math.max(x, y)];
          expect(sample.quantiles(...shares).map((found) => found + 0)).toEqual(
            shares.map((q) => quantile(sorted, q) + 0),
          );
        },
      ),
    );
  });

  test("calls no speed different that a fair coin could have made so", () => {
    const steps = (durations: readonly number[]) => ({
      info: f16.info,
      events: eventsOf(durations.map((dur, step) => ({ name: "step", start: 1000 * step, dur, step }))),
    });
    const base = steps([100, 100, 100, 100, 100, 100, 100, 100]);
    const oneOutlier = compareRuns(base, steps([100, 101, 99, 100, 101, 99, 100, 900]));
    expect(oneOutlier.verdict).toMatch(/^Decode shows no difference beyond chance/);
    const allSlower = compareRuns(base, steps([110, 112, 109, 111, 110, 112, 113, 110]));
    expect(allSlower.verdict).toMatch(/^Decode is 9\.\d % slower/);
    expect(compareRuns(steps([100, 100]), steps([300, 300])).verdict).toMatch(/2 steps in common, too few to tell/);
  });

  test("of requests that each had a pace of their own calls only that a difference which all share", () => {
    const decode = (paces: readonly number[]) => ({
      info: f16.info,
      events: eventsOf(
        paces.flatMap((pace, request) =>
          Array.from({ length: 50 }, (_, k) => {
            const step = 50 * request + k;
            return { name: "step", start: 1000 * step, dur: pace + (k % 3), step, request };
          }),
        ),
      ),
    });
    const base = decode([100, 160, 100, 160, 100, 100, 160, 100]);
    // 400 steps, three fifths of which are quicker by far: by requests no more than a coin falls so.
    expect(compareRuns(base, decode([160, 100, 100, 100, 160, 100, 100, 100])).verdict).toMatch(
      /^Decode shows no difference beyond chance/,
    );
    expect(compareRuns(base, decode([90, 145, 91, 140, 90, 92, 150, 88])).verdict).toMatch(
      /^Decode is [\d.]+ % faster/,
    );
  });

  test("gives each op's difference a call with an interval that holds the true one", () => {
    const slower = (by: (step: number) => number) =>
      eventsOf(
        Array.from({ length: 200 }, (_, k) => ({
          name: "state_update",
          start: 1000 * k,
          dur: 300 + ((k * 37) % 23) + by(k),
          step: Math.floor(k / 4),
        })),
      );
    const info = f16.info;
    const base = { info, events: slower(() => 0) };
    const paired = (by: (step: number) => number) =>
      compareRuns(base, { info, events: slower(by) }).ops.find(({ name }) => name === "state_update")?.paired;
    const clear = paired((k) => 40 + ((k * 13) % 7));
    expect(clear?.pairs).toBe(200);
    expect(clear?.interval?.low).toBeGreaterThan(40);
    expect(clear?.interval?.high).toBeLessThan(47);
    const chance = paired((k) => (((k * 7919) % 200) - 99.5) / 2);
    expect(chance?.interval?.low).toBeLessThan(0);
    expect(chance?.interval?.high).toBeGreaterThan(0);
    expect(
      compareRuns({ info, events: eventsOf([{ name: "norm", start: 0, dur: 9 }]) }, base).ops[0]?.paired,
    ).toBeNull();
  });

  test("its ledger adds up to the collectives' time from first arrival to end", () => {
    const { ledger } = comparison;
    for (const side of ["a", "b"] as const) {
      const parts = ledger.waiting[side] + ledger.moving[side] + ledger.quantise[side] + ledger.dequantise[side];
      expect(parts).toBeCloseTo(ledger.total[side], 3);
    }
    expect(ledger.quantise.a).toBe(0);
    expect(ledger.quantise.b).toBeGreaterThan(0);
    expect(ledger.moving.difference).toBeLessThan(0);
    expect(comparison.verdict).toMatch(/moving bytes gains [\d.]+ .?s and quantising and dequantising cost [\d.]+ .?s/);
  });

  test("with an empty run says that it cannot compare", () => {
    expect(compareRuns(f16, { info: int8.info, events: eventsOf([]) }).verdict).toMatch(/cannot be compared/);
  });
});
