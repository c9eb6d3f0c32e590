/** A benchmark's charts as one HTML file that needs no network: Plotly stands inside. */

import { readFileSync } from "node:fs";

import { KIND_COLOURS } from "../../../profiler-ui/trace/palette";
import { escapeHtml } from "../../api/draw/table";

export interface PlotChart {
  readonly title: string;
  /** As Plotly takes them. */
  readonly traces: readonly object[];
  readonly layout: object;
}

/** The palette of the run's charts, told apart by colour-blind eyes. */
const COLOURS = [
  ...[KIND_COLOURS.scan, KIND_COLOURS.gemm, KIND_COLOURS.collective, KIND_COLOURS.sample],
  ...[KIND_COLOURS.conv, KIND_COLOURS.norm, KIND_COLOURS.copy, KIND_COLOURS.host],
];

const SHARED = {
  colorway: COLOURS,
  height: 380,
  margin: { t: 24, r: 16, b: 56, l: 72 },
  legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
};

const STYLE = [
  "body{font:14px system-ui,sans-serif;color:#1c2329;margin:2rem auto;max-width:60rem;padding:0 1rem}",
  "h1{font-size:1.5rem;font-weight:600}h2{font-size:1.1rem;font-weight:600;margin:2rem 0 0}",
  "pre{font-size:12px;overflow-x:auto}",
].join("");

/** `numbers`: what the charts draw, as a text. */
export function plotPage(title: string, charts: readonly PlotChart[], numbers: string): string {
  const plotly = readFileSync(require.resolve("plotly.js-strict-dist-min"), "utf8");
  const draw = charts.map(
    ({ traces, layout }, index) =>
      `Plotly.newPlot("chart${index}", ${json(traces)}, ${json({ ...SHARED, ...layout })}, {responsive: true});`,
  );
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>`,
    '<meta name="viewport" content="width=device-width">',
    `<style>${STYLE}</style></head><body>`,
    `<h1>${escapeHtml(title)}</h1>`,
    ...charts.map((chart, index) => `<h2>${escapeHtml(chart.title)}</h2><div id="chart${index}"></div>`),
    `<h2>Numbers</h2><pre>${escapeHtml(numbers)}</pre>`,
    `<script>${plotly}</script><script>${draw.join("")}</script></body></html>\n`,
  ].join("\n");
}

/** JSON that cannot end the script it stands in. */
function json(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}
