/** One table, drawn as text for terminals and as script-free HTML for notebooks. */

import { escapeXml as escapeHtml } from "../../../profiler-ui/trace/xml";

export { escapeHtml };

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

export interface Table {
  readonly title?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
  /** One line below. */
  readonly note?: string;
}

/**
 * @example
 * textTable({ columns: [{ title: "op" }, { title: "time", align: "right" }], rows: [["scan", "1.2 ms"]] });
 * // "op      time\n────  ──────\nscan  1.2 ms"
 */
export function textTable({ title, columns, rows, note }: Table): string {
  const widths = columns.map((column, c) => Math.max(...[column.title, ...rows.map((row) => row[c] ?? "")].map(width)));
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, c) => {
        const cell = cells[c] ?? "";
        const space = " ".repeat((widths[c] ?? 0) - width(cell));
        return align === "right" ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd();
  return [
    ...(title ? [title] : []),
    line(columns.map((column) => column.title)),
    widths.map((size) => "─".repeat(size)).join("  "),
    ...rows.map(line),
    ...(note ? [note] : []),
  ].join("\n");
}

/** Figures with their units, shapes and ranges stay on one line; words and long lists may break. */
const LONGEST_FIGURE = 16;

export function htmlTable({ title, columns, rows, note }: Table): string {
  const cell = (tag: "th" | "td", c: number, text: string): string => {
    const align = columns[c]?.align ?? "left";
    const space = text.length <= LONGEST_FIGURE && /\d/.test(text) ? "pre" : "pre-wrap"; // both keep what is indented
    return `<${tag} style="text-align:${align};font-variant-numeric:tabular-nums;white-space:${space}">${escapeHtml(text)}</${tag}>`;
  };
  return [
    title ? `<p><b>${escapeHtml(title)}</b></p>` : "",
    `<table><thead><tr>${columns.map((column, c) => cell("th", c, column.title)).join("")}</tr></thead><tbody>`,
    ...rows.map((row) => `<tr>${row.map((text, c) => cell("td", c, text)).join("")}</tr>`),
    "</tbody></table>",
    note ? `<p>${escapeHtml(note)}</p>` : "",
  ].join("");
}

/** Columns a terminal gives the text. */
function width(text: string): number {
  return [...text].length;
}
