// The tables of a result of bench/gpu/run.sh, in Markdown. Usage: node bench/gpu/table.mjs FILE
import { readFileSync } from "node:fs";

const { date, machine, kernels, sums, models } = JSON.parse(readFileSync(process.argv[2], "utf8"));

/** Rows of objects as a table: `columns` says which fields, and their digits where they are numbers. */
function table(title, rows, columns) {
  const text = (value, digits) =>
    typeof value === "number" ? value.toLocaleString("en-US", { maximumFractionDigits: digits }) : String(value ?? "–");
  const fields = Object.entries(columns);
  const lines = [
    fields.map(([field]) => field),
    fields.map(([, digits]) => (digits === null ? "---" : "--:")),
    ...rows.map((row) => fields.map(([field, digits]) => text(row[field], digits ?? 0))),
  ];
  return [`## ${title}`, "", ...lines.map((cells) => `| ${cells.join(" | ")} |`), ""].join("\n");
}

process.stdout.write(
  [
    `# ${machine}, ${date}\n`,
    table("Kernels", kernels, { kernel: null, us: 2, fastestUs: 2, bytes: 0, gbPerSecond: 1, gflopPerSecond: 1 }),
    table("AllReduce", sums, {
      link: null,
      ranks: 0,
      wire: null,
      bytes: 0,
      wireBytes: 0,
      us: 2,
      graphUs: 2,
      algGbPerSecond: 2,
      busGbPerSecond: 2,
    }),
    table("Models", models, {
      model: null,
      ranks: 0,
      ttftMs: 2,
      prefillTokensPerSecond: 0,
      decodeTokensPerSecond: 1,
      withoutGraphs: 1,
      recorded: 1,
    }),
  ].join("\n"),
);
