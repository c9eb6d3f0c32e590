import { analyse } from "../../profiler-ui/trace/analysis";
import { fitLine } from "../../profiler-ui/trace/line-fit";
import { eventsOf, type EventRow } from "./support/events";
import { handRun } from "./support/hand-run";
import { syntheticRun } from "./support/synthetic-run";

const run = syntheticRun({ wireType: "int8", layers: 4, decodeSteps: 10 });

describe("the numbers behind the charts", () => {
  test("are those that a run worked out by hand has", () => {
    const { info, events } = handRun("hand");
    const { opTimes, split, roofline, transfers, crossovers, latencies, memory, layers } = analyse(events, info);
    const us = (...times: number[]): number[] => times.map((time) => time * 1000);
    expect(opTimes).toEqual({
      ranks: [0, 1],
      ops: [
        { name: "out_proj", kind: "gemm", ns: us(400, 500) },
        { name: "in_proj.x", kind: "gemm", ns: us(300, 420) },
        { name: "norm", kind: "norm", ns: us(300, 400) },
        { name: "all_reduce.x_proj", kind: "collective", ns: us(200, 80) },
        { name: "in_proj.z", kind: "gemm", ns: us(100, 0) },
      ],
    });
    // Rank 0 computes in_proj.z under half of its AllReduce; the other half is exposed.
    expect(split).toEqual([
      { rank: 0, computeNs: 1e6, overlapNs: 1e5, exposedNs: 1e5, idleNs: 3e5, betweenNs: 2e5 },
      { rank: 1, computeNs: 1.32e6, overlapNs: 0, exposedNs: 8e4, idleNs: 1e5, betweenNs: 2e5 },
    ]);
    expect(roofline).toEqual({
      points: [
        { name: "out_proj", kind: "gemm", intensity: 1, flopsPerSecond: 1e9, bytesPerSecond: 1e9 },
        { name: "in_proj.x", kind: "gemm", intensity: 4, flopsPerSecond: 2e9, bytesPerSecond: 5e8 },
        { name: "norm", kind: "norm", intensity: 0.1, flopsPerSecond: 3e8, bytesPerSecond: 3e9 },
      ],
      bestFlops: 2e9,
      bestBytes: 3e9,
    });
    // What the ranks send each other in a ring of two is the message itself.
    const sizes = [{ bytes: 64, count: 1, medianNs: 80_000, p10Ns: 80_000, p90Ns: 80_000 }];
    expect([transfers, crossovers]).toEqual([[{ wireType: "f32", bytesPerValue: 4, points: sizes, fit: null }], []]);
    const one = (label: string, ns: number): unknown => {
      return { label, count: 1, p50Ns: ns, p90Ns: ns, p99Ns: ns, maxNs: ns, samples: [ns] };
    };
    expect(latencies).toEqual([one("time to first token", 1e6), one("inter-token latency", 7e5)]);
    expect(memory).toEqual([
      { kind: "weights", bytes: [4096, 8192] },
      { kind: "states", bytes: [512, 256] },
    ]);
    expect(layers).toEqual({
      prefill: {
        layers: [0],
        ops: ["in_proj.x", "in_proj.z", "out_proj", "norm", "all_reduce.x_proj"],
        meanNs: us(360, 100, 250, 100, 140).map((ns) => [ns]),
      },
      decode: { layers: [0, 1], ops: ["out_proj", "norm"], meanNs: [[200_000, null], us(75, 175)] },
    });
  });

  test("split each rank's time into parts that add up to the run", () => {
    const { split } = analyse(run.events, run.info);
    expect(split).toHaveLength(2);
    for (const { computeNs, overlapNs, exposedNs, idleNs, betweenNs } of split) {
      expect(computeNs + overlapNs + exposedNs + idleNs + betweenNs).toBeCloseTo(run.info.durationNs, 3);
      for (const part of [computeNs, overlapNs, exposedNs, idleNs, betweenNs]) expect(part).toBeGreaterThanOrEqual(0);
    }
  });

  test("give a line its latency and bandwidth back, and say where int8 begins to pay", () => {
    expect(fitLine([{ x: 5, y: 1, weight: 2 }])).toBeNull();
    // f16: 5 µs + 1 GB/s; int8: 9 µs + 1 GB/s on 1 + 4/128 bytes a value: equal at 4000 / (2 - 1.03125) values.
    const rows = [1000, 4000, 16_000].flatMap((values, k) =>
      (["f16", "int8"] as const).flatMap((wireType, w): EventRow[] => {
        const bytes = values * (wireType === "f16" ? 2 : 1.03125);
        const dur = (wireType === "f16" ? 5000 : 9000) + bytes;
        return [0, 1].map((rank) => ({
          name: "all_reduce.out_proj",
          rank,
          start: (2 * k + w) * 100_000,
          dur,
          wireType,
          algorithm: "one-shot",
          wireBytes: bytes,
          seq: 2 * k + w,
        }));
      }),
    );
    const { transfers, crossovers } = analyse(eventsOf(rows), run.info);
    const f16 = transfers.find(({ wireType }) => wireType === "f16");
    expect(f16?.points.map(({ bytes }) => bytes)).toEqual([2000, 8000, 32_000]);
    expect(f16?.fit?.intercept).toBeCloseTo(5000, 3);
    expect(f16?.fit?.slope).toBeCloseTo(1, 6);
    expect(crossovers).toEqual([
      { wireType: "f16", values: expect.closeTo(4000 / 0.96875, -1) as number, sentence: expect.any(String) as string },
    ]);
  });

  test("count one inter-token latency a decode step, and one time to first token a request", () => {
    const { latencies } = analyse(run.events, run.info);
    expect(latencies.map(({ label, count }) => [label, count])).toEqual([
      ["time to first token", 1],
      ["inter-token latency", 10],
    ]);
    expect(latencies[0]?.p50Ns).toBe(run.info.requests[0] && run.info.requests[0].ttftMs * 1e6);
  });

  test("count each request's tokens of steps that they share, also where a prompt is read beside them", () => {
    const steps: readonly (readonly [phase: string, sampled: readonly number[], alone?: number])[] = [
      ["prefill", [0]],
      ["decode", [0]],
      ["prefill", [0, 1]], // request 1 joins
      ["decode", [0, 1]],
      ["decode", [1]], // request 0 has left
      ["prefill", [], 2], // the first part of request 2's prompt, alone
      ["prefill", [2]],
      ["decode", [2]],
    ];
    const rows = steps.flatMap(([phase, sampled, alone], step): EventRow[] => {
      const request = alone ?? (sampled.length === 1 ? (sampled[0] ?? -1) : -1);
      const shared = { phase, step, stream: 2 };
      return [
        { ...shared, name: "step", start: 100 * step, dur: 80, request },
        ...sampled.map((one) => {
          const choice = { start: 100 * step + 60 + one, dur: 1, request: one, rank: one % 2 }; // a rank each
          return { ...shared, name: "sample", ...choice };
        }),
      ];
    });
    const [between] = analyse(eventsOf(rows), { ...run.info, requests: [] }).latencies;
    expect(between).toMatchObject({ label: "inter-token latency", count: 6, maxNs: 100, p50Ns: 100 });
  });

  test("map the mean time of every op and layer, a phase at a time", () => {
    const { layers } = analyse(
      eventsOf([
        { name: "norm", start: 0, dur: 10, layer: 0 },
        { name: "norm", start: 20, dur: 30, layer: 0 },
        { name: "norm", start: 60, dur: 5, layer: 1 },
        { name: "out_proj", start: 80, dur: 7, layer: 1 },
        { name: "norm", start: 90, dur: 99, layer: 0, phase: "prefill" },
      ]),
      run.info,
    );
    expect(layers["decode"]).toEqual({
      layers: [0, 1],
      ops: ["out_proj", "norm"],
      meanNs: [
        [null, 7],
        [20, 5],
      ],
    });
    expect(layers["prefill"]?.meanNs).toEqual([[99]]);
  });

  test("of a run without events are empty, not NaN", () => {
    const { opTimes, split, roofline, transfers } = analyse(eventsOf([]), { ...run.info, requests: [] });
    expect([opTimes.ops, split, roofline.points, transfers]).toEqual([[], [], [], []]);
  });
});
