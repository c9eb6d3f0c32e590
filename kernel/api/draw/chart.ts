/** A chart for notebooks: Plotly's terms for viewers that draw them, a picture for the others, the numbers for all. */

import type { Figure } from "../../../profiler-ui/trace/figure";
import { figureSvg } from "../../../profiler-ui/trace/figure-svg";
import { drawable, drawn } from "../display";
import { htmlPicture } from "./picture";
import { htmlTable, textTable, type Column, type Table } from "./table";

/** Draws itself as a cell's result; `traces` and `layout` are Plotly's, `svg` is a picture without scripts. */
export interface Chart extends Figure {
  readonly svg: string;
}

export const right = (title: string): Column => ({ title, align: "right" });

export function chart(figure: Figure, columns: readonly Column[], rows: Table["rows"]): Chart {
  const table = { columns, rows, note: figure.counts };
  const svg = figureSvg(figure);
  const { title, height, traces, layout } = figure;
  return drawable({ ...figure, svg }, () => ({
    "text/plain": textTable({ title, ...table }),
    "text/html": `${htmlPicture(svg, title)}<details><summary>The numbers</summary>${htmlTable(table)}</details>`,
    "image/svg+xml": svg,
    "application/vnd.plotly.v1+json": {
      data: traces,
      layout: { title: { text: title }, height: height + 80, ...layout },
      config: { displaylogo: false },
    },
  }));
}

/** Charts that draw themselves one under the other, as one value. */
export function chartList<T extends object>(charts: T): T {
  const list = Object.values(charts).flat() as readonly Chart[];
  const draw = (type: "text/plain" | "text/html", between: string): string =>
    list.map((one) => drawn(one)[type] ?? "").join(between);
  return drawable(charts, () => ({ "text/plain": draw("text/plain", "\n\n"), "text/html": draw("text/html", "") }));
}
