import fc from "fast-check";
import { alignmentOf, aligned } from "../../profiler-ui/trace/alignment";
import { matchCollectives } from "../../profiler-ui/trace/collectives";
import { bandwidthOf, classOf, pageOf, reportCollectives } from "../../profiler-ui/trace/collective-table";
import type { RankClock } from "../../profiler-ui/trace/run";
import { eventsOf, type EventRow } from "./support/events";
import { randomFrom, syntheticRun } from "./support/synthetic-run";

const clock = (rank: number, method = "ntp", errorNs = 0): RankClock => ({
  rank,
  method,
  offsetNs: 0,
  slope: 1,
  errorNs,
});

/** AllReduces of `ranks` ranks that start apart and end together. */
function collectives(ranks: number, count: number, seed: number): EventRow[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }).flatMap((_, seq) => {
    const end = (seq + 1) * 100_000;
    return Array.from({ length: ranks }, (_unused, rank) => {
      const start = end - 10_000 - Math.round(20_000 * random());
      return { name: "all_reduce.out_proj", rank, start, dur: end - start, seq, wireBytes: 1000, wireType: "f16" };
    });
  });
}

describe("collectives matched across ranks", () => {
  test("are found whatever the order in which they were recorded, and dropped ones are counted", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), fc.nat(), fc.nat({ max: 30 }), (ranks, seed, dropped) => {
        const rows = collectives(ranks, 12, seed);
        const random = randomFrom(seed + 1);
        const kept = rows.filter((_, k) => k !== dropped % rows.length).sort(() => random() - 0.5);
        const report = reportCollectives(eventsOf(kept), []);
        const lone = ranks === 2 ? 1 : 0;
        expect(report.rows).toHaveLength(12 - lone);
        expect(report.incomplete).toBe(1);
        expect(report.rows.map(({ seq }) => seq)).toEqual([...report.rows.map(({ seq }) => seq)].sort((a, b) => a - b));
      }),
    );
  });

  test("split into wait and transfer, and say who came last", () => {
    const { rows, stragglers } = reportCollectives(
      eventsOf([
        { name: "all_reduce.x_proj", rank: 0, start: 0, dur: 100, seq: 0, wireBytes: 50, algorithm: "one-shot" },
        { name: "all_reduce.x_proj", rank: 1, start: 80, dur: 20, seq: 0, wireBytes: 50, algorithm: "one-shot" },
      ]),
      [],
    );
    expect(rows[0]).toMatchObject({
      skewNs: 80,
      transferNs: 20,
      lastRank: 1,
      class: "skew",
      wireBytes: 100,
      algbw: 2.5e9,
      busbw: 2.5e9,
    });
    expect(rows[0]?.waits).toEqual([
      { rank: 0, waitNs: 80 },
      { rank: 1, waitNs: 0 },
    ]);
    expect(stragglers).toEqual([
      { rank: 0, waitNs: 80, meanWaitNs: 80, lastShare: 0, causedNs: 0 },
      { rank: 1, waitNs: 0, meanWaitNs: 0, lastShare: 1, causedNs: 80 },
    ]);
  });

  test("have the bandwidths that nccl-tests define", () => {
    // A message of 4096 B in 1 µs on 4 ranks: algbw 4.096 GB/s, busbw 1.5 times that for an AllReduce, 0.75 for a gather.
    expect(bandwidthOf("all_reduce.out_proj", "two-shot", 4096 * 1.5, 4, 1000)).toEqual({
      algbw: 4.096e9,
      busbw: 6.144e9,
    });
    expect(bandwidthOf("all_reduce.out_proj", "one-shot", 4096 * 3, 4, 1000)).toEqual({
      algbw: 4.096e9,
      busbw: 6.144e9,
    });
    expect(bandwidthOf("gather_logits", "one-shot", 4096 * 0.75, 4, 1000)).toEqual({ algbw: 4.096e9, busbw: 3.072e9 });
    expect(bandwidthOf("all_reduce.out_proj", "one-shot", 0, 4, 0)).toEqual({ algbw: 0, busbw: 0 });
  });

  test("are called inconclusive where the clocks' error exceeds the skew", () => {
    expect([classOf(5, 100, 10), classOf(90, 10, 10), classOf(10, 90, 0), classOf(50, 50, 0)]).toEqual([
      "inconclusive",
      "skew",
      "transfer",
      "mixed",
    ]);
    const { rows } = reportCollectives(eventsOf(collectives(2, 4, 1)), [clock(0, "ntp", 5e6), clock(1, "ntp", 5e6)]);
    expect(rows.every((row) => row.class === "inconclusive")).toBe(true);
  });

  test("come in pages, filtered and sorted", () => {
    const { events } = syntheticRun({ layers: 3, decodeSteps: 4 });
    const report = reportCollectives(events, []);
    const page = pageOf(report, {
      name: "all_reduce.x_proj",
      sort: "skewNs",
      descending: true,
      offset: 2,
      limit: 5,
    });
    const skews = report.rows
      .filter(({ name }) => name === "all_reduce.x_proj")
      .map(({ skewNs }) => skewNs)
      .sort((a, b) => b - a);
    expect(page.total).toBe(skews.length);
    expect(page.rows.map(({ skewNs }) => skewNs)).toEqual(skews.slice(2, 7));
    expect(Object.values(page.classes).reduce((sum, count) => sum + count)).toBe(skews.length);
  });
});

describe("the ranks' clocks", () => {
  test("are found to be off by the offset and drift that were put in, and are put right", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 20_000, max: 5_000_000 }),
        fc.integer({ min: -200, max: 200 }),
        (seed, offset, ppm) => {
          const skewed = collectives(4, 60, seed).map((row) =>
            row.rank === 3 ? { ...row, start: row.start + offset + (row.start + row.dur) * ppm * 1e-6 } : row,
          );
          const events = eventsOf(skewed);
          const [, , , third] = alignmentOf(
            events,
            matchCollectives(events),
            [0, 1, 2, 3].map((rank) => clock(rank)),
          );
          if (!third) throw new Error("rank 3 is missing");
          expect(third.correct).toBe(true);
          const index = [...events.rank.keys()].filter((i) => events.rank[i] === 3);
          const corrected = aligned(
            Float64Array.from(index, (i) => events.startNs[i] ?? 0),
            third,
          );
          index.forEach((i, k) => {
            const end = (corrected[k] ?? 0) + (events.durNs[i] ?? 0);
            expect(Math.abs(end - ((events.seq[i] ?? 0) + 1) * 100_000)).toBeLessThan(500);
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  test("are left alone where they agree, and where they are the host's own", () => {
    const agreeing = eventsOf(collectives(3, 30, 5));
    const clocks = [0, 1, 2].map((rank) => clock(rank));
    expect(alignmentOf(agreeing, matchCollectives(agreeing), clocks).some(({ correct }) => correct)).toBe(false);
    const late = eventsOf(collectives(2, 30, 5).map((row) => (row.rank === 1 ? { ...row, dur: row.dur + 9000 } : row)));
    const host = [clock(0, "host"), clock(1, "host")];
    expect(alignmentOf(late, matchCollectives(late), host).some(({ correct }) => correct)).toBe(false);
  });

  test("are caught when a rank ends a collective before another has begun", () => {
    const rows = collectives(2, 10, 3).map((row) => (row.rank === 1 ? { ...row, start: row.start + 60_000 } : row));
    expect(reportCollectives(eventsOf(rows), []).clock.violations).toBe(10);
    expect(reportCollectives(eventsOf(rows), [clock(0, "ntp", 5e4), clock(1, "ntp", 5e4)]).clock.violations).toBe(0);
  });
});
