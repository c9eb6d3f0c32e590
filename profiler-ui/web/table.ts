/** Tables of figures: right-aligned, sortable by their headers. */

import { el } from "./dom";

export interface Column<Row> {
  readonly label: string;
  /** Longer explanation, shown on hover. */
  readonly title?: string;
  readonly cell: (row: Row) => Node | string;
  /** What the column sorts by; columns without it do not sort. */
  readonly by?: (row: Row) => number | string;
  /** Texts stand on the left, figures on the right. */
  readonly text?: boolean;
}

export interface TableOptions<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rowClass?: (row: Row) => string;
  /** Scrolls inside itself where there are many ranks, so that what comes behind it stays in reach. */
  readonly capped?: boolean;
  /** Set where somebody else sorts, since the rows are a part only: how they are sorted, and a wish to sort otherwise. */
  readonly sorted?: { readonly label: string; readonly descending: boolean; readonly by: (label: string) => void };
}

/** A table of `rows`; the first column heads each row. */
export function table<Row>(
  rows: readonly Row[],
  { caption, columns, rowClass, capped = false, sorted }: TableOptions<Row>,
): HTMLElement {
  const body = el("tbody");
  const fill = (sorted: readonly Row[]): void => {
    body.replaceChildren(
      ...sorted.map((row) => {
        const className = rowClass?.(row) ?? "";
        return el(
          "tr",
          className === "" ? {} : { class: className },
          ...columns.map(({ cell, text }, k) =>
            k === 0 ? el("th", { scope: "row" }, cell(row)) : el("td", text ? { class: "text" } : {}, cell(row)),
          ),
        );
      }),
    );
  };
  const heads = columns.map((column, k) => {
    const { by, label } = column;
    const head = el("th", {
      scope: "col",
      ...(column.title ? { title: column.title } : {}),
      ...(column.text || k === 0 ? { class: "text" } : {}),
    });
    if (!by) {
      head.append(label === "" ? el("span", { class: "hidden" }, "Actions") : label);
      return head;
    }
    if (sorted?.label === label) head.setAttribute("aria-sort", sorted.descending ? "descending" : "ascending");
    const sort = (): void => {
      if (sorted) {
        sorted.by(label);
        return;
      }
      const descending = head.getAttribute("aria-sort") !== "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      fill([...rows].sort((a, b) => (descending ? -1 : 1) * compare(by(a), by(b))));
    };
    head.append(el("button", { type: "button", onclick: sort }, label));
    return head;
  });
  fill(rows);
  return el(
    "div",
    { class: capped ? "scroll capped" : "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table",
      { class: "numbers" },
      el("caption", { class: "hidden" }, caption),
      el("thead", {}, el("tr", {}, ...heads)),
      body,
    ),
  );
}

/** What is not known stands below the smallest. */
function known(value: number): number {
  return Number.isNaN(value) ? -Infinity : value;
}

function compare(a: number | string, b: number | string): number {
  return typeof a === "number" && typeof b === "number"
    ? known(a) - known(b) || 0
    : String(a).localeCompare(String(b), "en", { numeric: true });
}
