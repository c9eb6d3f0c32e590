/** The run as a file: a menu of formats. */

import { ranksOf } from "./run-facts";
import type { RunInfo } from "../trace/run";
import { exportAddress } from "./api";
import { el } from "./dom";

const FORMATS = [
  ["perfetto", "Perfetto", ".pftrace: tracks, flows through collectives, the run's clock"],
  ["chrome", "Chrome JSON", "all ranks in one file, in the dialect of PyTorch's profiler"],
  ["speedscope", "speedscope", "a profile a rank and stream"],
  ["parquet", "Parquet", "every event, for DuckDB and pandas"],
  ["svg", "SVG", "the timeline as a picture"],
] as const;

export function exportMenu(run: RunInfo): HTMLElement {
  const link = (format: string, name: string, about: string, rank?: number): HTMLElement =>
    el("li", {}, el("a", { href: exportAddress(run.id, format, rank), download: true }, name, el("span", {}, about)));
  const ranks =
    run.tensorParallel > 1 ? Array.from({ length: Math.min(run.tensorParallel, 16) }, (_, rank) => rank) : [];
  const menu = el(
    "details",
    { class: "menu" },
    el("summary", {}, "Export"),
    el(
      "ul",
      { "aria-label": "Formats" },
      ...FORMATS.map(([format, name, about]) => link(format, name, about)),
      ...ranks.map((rank) =>
        link("chrome", `Chrome JSON of rank ${rank}`, `one of ${ranksOf(run)}, for Holistic Trace Analysis`, rank),
      ),
    ),
  );
  addEventListener("click", ({ target }) => {
    if (target instanceof Node && !menu.contains(target)) menu.open = false;
  });
  menu.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") menu.open = false;
  });
  return menu;
}
