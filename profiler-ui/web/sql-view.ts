/** The tab that asks a run's events in SQL. */

import { reasonOf } from "../trace/errors";
import { formatCount, formatTime } from "../trace/format";
import type { SqlAnswer } from "../trace/run";
import { fetchSql } from "./api";
import { csvOf, download } from "./csv";
import { el } from "./dom";
import { table, type Column } from "./table";

const EXAMPLES: readonly (readonly [string, string])[] = [
  [
    "Time by op",
    "SELECT name, count(*) AS calls, sum(dur_ns) / 1e6 AS ms, median(dur_ns) / 1e3 AS median_us\nFROM events WHERE name <> 'step'\nGROUP BY name ORDER BY ms DESC",
  ],
  [
    "Slowest steps",
    "SELECT step, phase, max(dur_ns) / 1e3 AS us FROM events WHERE name = 'step'\nGROUP BY step, phase ORDER BY us DESC LIMIT 20",
  ],
  [
    "Skew of each AllReduce",
    "SELECT name, seq, any_value(layer) AS layer, (max(start_ns) - min(start_ns)) / 1e3 AS skew_us,\n       (max(start_ns + dur_ns) - max(start_ns)) / 1e3 AS transfer_us, arg_max(rank, start_ns) AS last_rank\nFROM events WHERE name LIKE 'all_reduce%'\nGROUP BY name, \"group\", seq ORDER BY skew_us DESC LIMIT 50",
  ],
  [
    "Bytes on the wire by layer",
    "SELECT layer, wire_type, sum(wire_bytes) AS bytes, sum(dur_ns) / 1e6 AS ms FROM events\nWHERE wire_bytes > 0 GROUP BY layer, wire_type ORDER BY layer",
  ],
  ["Columns", "DESCRIBE SELECT * FROM events"],
];

export function sqlView(id: string): HTMLElement {
  const text = el(
    "textarea",
    { "aria-label": "SQL", spellcheck: "false", autocomplete: "off" },
    EXAMPLES[0]?.[1] ?? "",
  );
  const result = el("div", { "aria-live": "polite" });
  const status = el("span", { class: "muted", role: "status" });
  const run = el("button", { type: "button", class: "primary", title: "Ctrl + Enter" }, "Run");
  const save = el("button", { type: "button", disabled: true }, "CSV");
  const examples = el(
    "select",
    { "aria-label": "Examples" },
    ...EXAMPLES.map(([name], k) => el("option", { value: String(k) }, name)),
  );
  let answer: SqlAnswer | null = null;
  const ask = async (): Promise<void> => {
    run.disabled = true;
    status.textContent = "Asking…";
    const begin = performance.now();
    try {
      answer = await fetchSql(id, text.value);
      const { rows, truncated } = answer;
      const took = formatTime((performance.now() - begin) * 1e6);
      status.textContent = `${truncated ? "the first " : ""}${formatCount(rows.length)} ${rows.length === 1 ? "row" : "rows"} in ${took}`;
      result.replaceChildren(rows.length === 0 ? el("p", { class: "muted" }, "No rows.") : answerTable(answer));
    } catch (error) {
      answer = null;
      status.textContent = "";
      result.replaceChildren(el("p", { class: "problem", role: "alert" }, reasonOf(error)));
    } finally {
      run.disabled = false;
      save.disabled = answer === null;
    }
  };
  run.addEventListener("click", () => void ask());
  save.addEventListener("click", () => {
    if (!answer) return;
    const { columns, rows } = answer;
    download(
      `${id}.csv`,
      csvOf(
        columns,
        rows.map((row) => columns.map((column) => row[column])),
      ),
    );
  });
  examples.addEventListener("change", () => (text.value = EXAMPLES[Number(examples.value)]?.[1] ?? ""));
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void ask();
  });
  return el(
    "div",
    { class: "sql" },
    el(
      "p",
      { class: "muted" },
      "DuckDB on the run's events: the view ",
      el("code", {}, "events"),
      " has a row a span. Read only; at most ten seconds and a thousand rows.",
    ),
    text,
    el("div", { class: "controls" }, run, examples, save, status),
    result,
  );
}

function answerTable(answer: SqlAnswer): HTMLElement {
  const columns = answer.columns.map((name): Column<SqlAnswer["rows"][number]> => {
    const number = answer.rows.every((row) => row[name] === null || typeof row[name] === "number");
    return {
      label: name,
      text: !number,
      cell: (row) => cellText(row[name]),
      by: (row) => (typeof row[name] === "number" ? row[name] : cellText(row[name])),
    };
  });
  return table(answer.rows, { caption: "Answer", columns });
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  return typeof value === "string" ? value : JSON.stringify(value);
}
