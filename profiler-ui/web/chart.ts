/** A chart with what it counts and its numbers as a table. Plotly is loaded when the first one is drawn. */

import type { Figure } from "../trace/figure";
import { el } from "./dom";
import { onThemeChange } from "./page";

type Json = Readonly<Record<string, unknown>>;

export interface ChartOptions extends Figure {
  readonly table: HTMLElement;
}

export function chart(options: ChartOptions): HTMLElement {
  const host = el("div", { class: "chart-picture", role: "img", "aria-label": `${options.title}. ${options.counts}` });
  host.style.height = `${options.height}px`;
  const draw = (): void => void drawChart(host, options).catch((error: unknown) => (host.textContent = String(error)));
  draw();
  onThemeChange(draw);
  return el(
    "figure",
    { class: "chart" },
    el("figcaption", {}, el("h3", {}, options.title), el("p", { class: "muted" }, options.counts)),
    host,
    el("details", {}, el("summary", {}, "The numbers"), options.table),
  );
}

async function drawChart(host: HTMLElement, { traces, layout }: ChartOptions): Promise<void> {
  refuseInlineStyles();
  const { default: plotly } = await import("plotly.js-strict-dist-min");
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line") };
  const given = layout as { readonly xaxis?: Json; readonly yaxis?: Json };
  await plotly.newPlot(
    host,
    traces,
    {
      font: { family: colour("--font"), size: 12, color: colour("--text") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 64, r: 16, t: 10, b: 48 },
      hoverlabel: { font: { family: colour("--font") } },
      legend: { orientation: "h", y: 1.12, x: 0 },
      ...layout,
      xaxis: { ...axis, automargin: true, ...given.xaxis },
      yaxis: { ...axis, automargin: true, ...given.yaxis },
    },
    { displayModeBar: false, responsive: true },
  );
}

/** Plotly's rules that matter here stand in our style sheet, and of its map library, the second, no chart makes use. */
const ITS_STYLES = [
  "plotly.js-style-global",
  "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53",
] as const;

/** Keeps it from writing rules into the page, which the CSP refuses: it leaves alone what is there already. */
function refuseInlineStyles(): void {
  for (const id of ITS_STYLES) {
    if (!document.getElementById(id)) document.head.append(el("meta", { id, class: "no-inline-styles" }));
  }
}
