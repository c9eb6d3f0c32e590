/** Static charts: what a reader measures with a ruler is what the figures say. */
import fc from "fast-check";
import type { Figure } from "../../profiler-ui/trace/figure";
import { figureSvg } from "../../profiler-ui/trace/figure-svg";

type Attributes = Readonly<Record<string, string>>;

/** Elements with one of these fills, in order. */
function rects(svg: string, fill: string): Attributes[] {
  return [...svg.matchAll(/<(?:rect|path) ([^>]*)>/g)]
    .map(([, text = ""]): Attributes => {
      const pairs = [...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(
        ([, name = "", value = ""]) => [name, value] as const,
      );
      return Object.fromEntries(pairs);
    })
    .filter((attributes) => attributes["fill"] === fill && attributes["rx"] === undefined);
}

const widths = (marks: readonly Attributes[]): number[] => marks.map((mark) => Number(mark["width"]));

/** Pixels are written with one digit behind the point. */
const near = (value: number): unknown => expect.closeTo(value, 0);

const bars = (barmode: "stack" | "group", parts: readonly (readonly number[])[], names: readonly string[]): Figure => ({
  title: "Title",
  counts: "counts",
  height: 100,
  traces: parts.map((x, k) => ({
    type: "bar",
    orientation: "h",
    name: `part ${k}`,
    x,
    y: names,
    marker: { color: `#0000${k}0` },
  })),
  layout: { barmode, xaxis: { title: { text: "ms" } }, yaxis: { autorange: "reversed" } },
});

const length = fc.double({ min: 0.01, max: 1e6, noNaN: true });
const lengths = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }))
  .chain(([bars, parts]) =>
    fc.array(fc.array(length, { minLength: bars, maxLength: bars }), { minLength: parts, maxLength: parts }),
  );

test("a bar is as long as its value, and stacked ones begin where the one before ends", () => {
  fc.assert(
    fc.property(lengths, fc.constantFrom("stack" as const, "group" as const), (parts, barmode) => {
      const names = parts[0]?.map((_, i) => `bar ${i}`) ?? [];
      const svg = figureSvg(bars(barmode, parts, names));
      const drawn = parts.map((_, k) => rects(svg, `#0000${k}0`));
      const total = Math.max(
        ...names.map((_, i) => {
          const own = parts.map((x) => x[i] ?? 0);
          return barmode === "group" ? Math.max(...own) : own.reduce((sum, one) => sum + one, 0);
        }),
      );
      const pixels = Math.max(
        ...drawn.flatMap((marks) => marks.map((mark) => Number(mark["x"]) + Number(mark["width"]))),
      );
      const left = Math.min(...drawn.flatMap((marks) => marks.map((mark) => Number(mark["x"]))));
      parts.forEach((x, k) => {
        expect(widths(drawn[k] ?? [])).toEqual(x.map((value) => near((value / total) * (pixels - left))));
        if (k > 0 && barmode === "stack")
          expect(drawn[k]?.map((mark) => Number(mark["x"]))).toEqual(
            drawn[k - 1]?.map((mark) => near(Number(mark["x"]) + Number(mark["width"]))),
          );
      });
    }),
  );
});

test("on logarithmic axes a decade has one length wherever it lies", () => {
  const values = [1, 10, 100, 1000];
  const svg = figureSvg({
    title: "Roofline",
    counts: "",
    height: 100,
    traces: [
      { type: "scatter", mode: "markers", name: "ops", x: values, y: values, marker: { size: 9, color: "#123456" } },
    ],
    layout: { showlegend: false, xaxis: { type: "log" }, yaxis: { type: "log" } },
  });
  const places = rects(svg, "#123456").map(({ transform = "" }) =>
    /\((\S+) (\S+)\)/.exec(transform)?.slice(1).map(Number),
  );
  const steps = places.slice(1).map((place, i) => place?.map((value, axis) => value - (places[i]?.[axis] ?? 0)));
  expect(steps).toEqual(Array.from({ length: 3 }, () => steps[0]?.map(near)));
  expect(steps[0]?.[0]).toBeGreaterThan(50);
  expect(steps[0]?.[1]).toBeLessThan(-30); // up
});

test("a histogram's columns are as high as their samples are many", () => {
  const svg = figureSvg({
    title: "Latency",
    counts: "",
    height: 100,
    traces: [{ type: "histogram", x: [1, 1, 1.5, 1.9, 2, 2.5, 5], nbinsx: 4, marker: { color: "#123456" } }],
    layout: { xaxis: { title: { text: "ms" } } },
  });
  const heights = rects(svg, "#123456").map((mark) => Number(mark["height"]));
  const sample = (heights[0] ?? 0) / 4;
  expect(heights).toEqual([4, 2, 0, 1].map((count) => near(count * sample)));
  expect(sample).toBeGreaterThan(20);
});

test("a chart is one well-formed document without scripts, whatever its parts are called", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (title, name) => {
      const svg = figureSvg({ ...bars("stack", [[1]], [name]), title });
      const open: string[] = [];
      for (const [, close, tag = "", , self] of svg.matchAll(/<(\/?)([\w-]+)((?:\s[\w-]+="[^"<]*")*)\s*(\/?)>/g))
        if (close) expect(open.pop()).toBe(tag);
        else if (!self) open.push(tag);
      expect(open).toEqual([]);
      // Nothing is left that opens a tag.
      expect(svg.replace(/<\/?[\w-]+(?:\s[\w-]+="[^"<]*")*\s*\/?>/g, "")).not.toContain("<");
      expect(svg).not.toContain("<script");
    }),
  );
});
