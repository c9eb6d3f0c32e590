import fc from "fast-check";
import { BYTES_PER_EVENT, concatenate, NUMBER_COLUMNS, pick, TEXT_COLUMNS } from "../../profiler-ui/trace/columns";
import type { EventColumns } from "../../profiler-ui/trace/events";
import {
  formatBytes,
  formatChange,
  formatCount,
  formatNumber,
  formatRate,
  formatShare,
  formatSpeed,
  formatTime,
} from "../../profiler-ui/trace/format";
import { KINDS } from "../../profiler-ui/trace/kinds";
import { channels, inkOn, KIND_COLOURS, mix } from "../../profiler-ui/trace/palette";
import { servedSpeed } from "../../profiler-ui/trace/served";
import { timeTicks } from "../../profiler-ui/trace/ticks";
import { timelineSvg } from "../../profiler-ui/trace/timeline-svg";
import { decodeEvents, encodeEvents } from "../../profiler-ui/trace/wire-format";
import { eventsOf } from "./support/events";
import { syntheticRun } from "./support/synthetic-run";

/** Columns as plain lists: the same values, whatever their width. */
function valuesOf(events: EventColumns): unknown {
  const { count } = events;
  const numbers = NUMBER_COLUMNS.map((column) => [column, [...events[column]]]);
  const texts = TEXT_COLUMNS.map((column) => [column, { ...events[column], codes: [...events[column].codes] }]);
  return { count, ...Object.fromEntries([...numbers, ...texts]) };
}

function sent(events: EventColumns): EventColumns {
  return decodeEvents(encodeEvents(events).buffer);
}

describe("events on the wire", () => {
  const anyEvents = fc
    .array(
      fc.record({
        name: fc.string({ maxLength: 8 }),
        kind: fc.constantFrom(...KINDS),
        start: fc.nat(2 ** 50),
        dur: fc.nat(),
        rank: fc.nat(65535),
        stream: fc.nat(3),
        step: fc.nat(),
        layer: fc.integer({ min: -1, max: 100 }),
        seq: fc.integer({ min: -1, max: 2 ** 30 }),
        wireBytes: fc.nat(),
      }),
      { maxLength: 40 },
    )
    .map(eventsOf);

  test("come back as they were sent", () => {
    fc.assert(fc.property(anyEvents, (events) => expect(valuesOf(sent(events))).toEqual(valuesOf(events))));
  });

  test("travel as narrow as their values allow, and pieces of different widths join", () => {
    fc.assert(
      fc.property(anyEvents, fc.nat(40), (events, cut) => {
        const all = Uint32Array.from({ length: events.count }, (_, i) => i);
        const pieces = [all.slice(0, cut), all.slice(cut)].map((index) => sent(pick(events, index)));
        expect(valuesOf(concatenate(pieces as [EventColumns, EventColumns]))).toEqual(valuesOf(events));
      }),
    );
    const { events } = syntheticRun({ decodeSteps: 4, layers: 4 });
    expect(sent(events)).toMatchObject({
      rank: expect.any(Uint8Array) as unknown,
      layer: expect.any(Int8Array) as unknown,
      durNs: expect.any(Uint32Array) as unknown,
    });
    expect(encodeEvents(events).length).toBeLessThan(0.6 * BYTES_PER_EVENT * events.count);
  });

  test("keep what no whole number of 32 bits holds", () => {
    const odd = [0.5, NaN, Infinity, -(2 ** 31) - 1, 2 ** 32, 2 ** 53].map((dur) => ({ name: "norm", start: 0, dur }));
    for (const row of odd) expect([...sent(eventsOf([row])).durNs]).toEqual([row.dur]);
  });

  test("are refused with E_EVENTS_MALFORMED when cut short or changed", () => {
    const bytes = encodeEvents(syntheticRun({ decodeSteps: 1, layers: 1 }).events);
    const refused = expect.objectContaining({ code: "E_EVENTS_MALFORMED" }) as unknown;
    for (const length of [0, 3, 11, 200, bytes.length - 8]) {
      expect(() => decodeEvents(bytes.slice(0, length).buffer)).toThrow(refused as Error);
    }
    const otherVersion = bytes.slice();
    otherVersion[4] = 9;
    expect(() => decodeEvents(otherVersion.buffer)).toThrow(/version 9/);
  });

  test("fall apart into pieces and join again", () => {
    const { events } = syntheticRun({ decodeSteps: 2, layers: 2 });
    const all = Uint32Array.from({ length: events.count }, (_, i) => i);
    const cut = Math.floor(events.count / 3);
    expect(concatenate([pick(events, all.slice(0, cut)), pick(events, all.slice(cut))])).toEqual(events);
  });
});

describe("figures", () => {
  test("carry the unit that fits and at most four digits", () => {
    expect([0, 17, 999, 1000, 1234, 98_765, 1_234_567, 2_500_000_000, 4e12, 1e14].map(formatTime)).toEqual([
      "0 ns",
      "17 ns",
      "999 ns",
      "1.00 µs",
      "1.23 µs",
      "98.77 µs",
      "1.23 ms",
      "2.50 s",
      "66.67 min",
      "27.78 h",
    ]);
    expect([0, 512, 5120, 1e6, 3.2e9].map(formatBytes)).toEqual(["0 B", "512 B", "5.12 kB", "1.00 MB", "3.20 GB"]);
    expect([7, 9999, 12_345, 1_000_000].map(formatCount)).toEqual(["7", "9999", "12.35 k", "1.00 M"]);
    expect([NaN, 410, 13_950].map(formatSpeed)).toEqual(["–", "410 tok/s", "13.95 k tok/s"]);
    expect([644.03, 2.5].map(formatTime)).toEqual(["644 ns", "2.50 ns"]);
    expect(formatRate(2.5e9, "FLOP/s")).toBe("2.50 GFLOP/s");
    expect([0.5, 1].map(formatShare)).toEqual(["50.0 %", "100.0 %"]);
    expect([0.031, -0.5, 0, 12].map(formatChange)).toEqual(["+3.1 %", "−50.0 %", "0.0 %", "+1200 %"]);
  });

  test("of requests for a single token say nothing of decoding", () => {
    const [request] = syntheticRun().info.requests;
    if (!request) throw new Error("no request");
    const single = { ...request, newTokens: 1, decodeTokensPerSecond: 0 };
    expect(servedSpeed([single])?.decode).toBeNaN();
    expect(servedSpeed([single, request, single])?.decode).toBe(request.decodeTokensPerSecond);
  });

  test("never show more than four digits below a trillion", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), (ns) => {
        expect(formatTime(ns).replace(/\D/g, "").length).toBeLessThanOrEqual(4);
      }),
    );
    expect(formatNumber(NaN)).toBe("–");
  });

  test("mark a time axis at round times", () => {
    expect(timeTicks(0, 1e6, 5).map(({ text }) => text)).toEqual([
      "0",
      "200 µs",
      "400 µs",
      "600 µs",
      "800 µs",
      "1000 µs",
    ]);
    expect(timeTicks(1.2e9, 1.2005e9, 4).map(({ text }) => text)).toEqual(["1200.0 ms", "1200.2 ms", "1200.4 ms"]);
    expect(timeTicks(0, 4 * 3600e9, 4).map(({ text }) => text)).toEqual(["0", "1 h", "2 h", "3 h", "4 h"]);
    expect(timeTicks(0, 3000e9, 5).map(({ text }) => text)).toEqual([
      "0",
      "10 min",
      "20 min",
      "30 min",
      "40 min",
      "50 min",
    ]);
    fc.assert(
      fc.property(
        fc.nat(1e9),
        fc.integer({ min: 1, max: 1e9 }),
        fc.integer({ min: 1, max: 20 }),
        (from, length, count) => {
          const ticks = timeTicks(from, from + length, count);
          expect(ticks.length).toBeLessThanOrEqual(count + 1);
          expect(new Set(ticks.map(({ text }) => text)).size).toBe(ticks.length);
        },
      ),
    );
  });
});

describe("the palette", () => {
  /** Linear-light colour-deficiency matrices of Viénot, Brettel and Mollon (1999) for protan and deutan eyes. */
  const EYES: Readonly<Record<string, readonly number[][]>> = {
    normal: [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ],
    protan: [
      [0.11238, 0.88762, 0],
      [0.11238, 0.88762, 0],
      [0.00401, -0.00401, 1],
    ],
    deutan: [
      [0.29275, 0.70725, 0],
      [0.29275, 0.70725, 0],
      [-0.02234, 0.02234, 1],
    ],
  };

  function labSeenBy(colour: string, matrix: readonly number[][]): number[] {
    const linear = channels(colour).map((c) =>
      c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
    );
    const [r = 0, g = 0, b = 0] = matrix.map((row) => row.reduce((sum, m, i) => sum + m * (linear[i] ?? 0), 0));
    const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
    const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
  }

  test.each(Object.keys(EYES))("keeps the kinds of op apart for %s eyes", (eyes) => {
    const colours = Object.entries(KIND_COLOURS);
    for (const [nameA, a] of colours) {
      for (const [nameB, b] of colours) {
        if (nameA >= nameB) continue;
        const labA = labSeenBy(a, EYES[eyes] ?? []);
        const labB = labSeenBy(b, EYES[eyes] ?? []);
        const distance = Math.hypot(...labA.map((value, i) => value - (labB[i] ?? 0)));
        // CIE76; 2.3 is a just noticeable difference.
        expect({ nameA, nameB, apart: distance > 15 || distance }).toEqual({ nameA, nameB, apart: true });
      }
    }
  });

  test("mixes colours and picks readable ink", () => {
    expect(mix("#000000", "#ffffff", 0.5)).toBe("#808080");
    expect([inkOn("#ffffff"), inkOn("#2f6db5")]).toEqual(["#000000", "#ffffff"]);
  });
});

describe("the static timeline", () => {
  const { events } = syntheticRun({ wireType: "int8" });

  test("names every rank, shows the legend of what ran, and holds no script", () => {
    const svg = timelineSvg(events, { title: 'int8 <"quick">' });
    expect(svg).toMatch(/^<svg [^>]*role="img"/);
    expect(svg).toContain("rank 0");
    expect(svg).toContain("rank 1");
    expect(svg).toContain("AllReduce");
    expect(svg).toContain("int8 &lt;&quot;quick&quot;&gt;");
    expect(svg).not.toMatch(/<script|on\w+=|javascript:/i);
  });

  test("names ops when zoomed in, and stays small when the run is long", () => {
    expect(timelineSvg(events, { fromNs: 0, toNs: 400_000 })).toContain(">in_proj.x<");
    expect(timelineSvg(syntheticRun({ decodeSteps: 300 }).events).length).toBeLessThan(3_000_000);
  });

  test("of an empty run is a picture without spans", () => {
    expect(timelineSvg(eventsOf([]))).toMatch(/^<svg .*0 spans.*<\/svg>$/);
  });
});
