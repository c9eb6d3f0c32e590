/** A benchmark's charts as one HTML file that needs no network: Plotly stands inside. */

import { readFileSync } from "node:fs";

import { escapeHtml } from "../../api/draw/table";

export interface PlotChart {
  readonly title: string;
  /** As Plotly takes them. */
  readonly traces: readonly object[];
  readonly layout: object;
}

/** `numbers`: what the charts draw, as a text. */
export function plotPage(title: string, charts: readonly PlotChart[], numbers: string): string {
  const plotly = readFileSync(require.resolve("plotly.js-strict-dist-min"), "utf8");
  const draw = charts.map(
    ({ traces, layout }, index) => `Plotly.newPlot("chart${index}", ${json(traces)}, ${json(layout)});`,
  );
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>`,
    "<style>body{font:14px system-ui,sans-serif;margin:2rem auto;max-width:60rem}pre{font-size:12px}</style></head><body>",
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
