// The tables of a result of bench/gpu/run.sh, in Markdown: what each part came to, and each figure beside its prediction.
// Usage: node bench/gpu/table.mjs [--strict] FILE. --strict fails where a row has no prediction, a prediction no row, or
// the two count other bytes and operations.
import { readFileSync } from "node:fs";

const strict = process.argv[2] === "--strict";
const result = JSON.parse(readFileSync(process.argv[strict ? 3 : 2], "utf8"));
const { date, machine, parts, kernels, sums, models, mambaSsm } = result;
const predicted = result.predicted.predictions[machine.includes("H200") ? "H200" : "H100"];

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

/** Each measured row with its prediction's fields; `keys` name the row. */
function beside(rows, predictions, keys) {
  const same = (one, other) => keys.every((key) => one[key] === other[key]);
  const lost = predictions.filter((each) => !rows.some((row) => same(row, each)));
  if (strict && lost.length > 0) throw new Error(`no row is ${JSON.stringify(lost[0])}`);
  return rows.map((row) => {
    const prediction = predictions.find((each) => same(row, each));
    if (strict && !prediction && (row.link ?? "shared") === "shared")
      throw new Error(`nothing was predicted of ${JSON.stringify(row)}`);
    for (const field of ["bytes", "flops"])
      if (strict && prediction && field in prediction && prediction[field] !== row[field])
        throw new Error(`${row.kernel} counts ${row[field]} ${field}, its prediction ${prediction[field]}`);
    return { ...prediction, ...row };
  });
}

const measured = beside(kernels, predicted.kernels, ["kernel"]);
const summed = beside(sums, predicted.sums, ["link", "ranks", "wire", "bytes"]);
const ran = beside(models, predicted.models, ["model", "ranks"]).map((row) => ({
  ...row,
  predictedTtftMs: row.cublas ? row.predictedTtftMs : undefined,
  predictedPrefill: row.cublas ? row.predictedPrefill : row.predictedPrefillWithoutCublas,
}));

process.stdout.write(
  [
    `# ${machine}, ${date}\n`,
    table("Parts", parts, { part: null, status: null, seconds: 0, note: null }),
    table("Kernels", measured, {
      kernel: null,
      us: 2,
      predictedUs: 2,
      fastestUs: 2,
      bytes: 0,
      gbPerSecond: 1,
      gflopPerSecond: 1,
    }),
    table("mamba-ssm and causal-conv1d", mambaSsm, { kernel: null, dtype: null, us: 2 }),
    table("AllReduce", summed, {
      link: null,
      ranks: 0,
      wire: null,
      bytes: 0,
      wireBytes: 0,
      us: 2,
      predictedUs: 2,
      graphUs: 2,
      predictedGraphUs: 2,
      algGbPerSecond: 2,
      busGbPerSecond: 2,
    }),
    table("Models", ran, {
      model: null,
      ranks: 0,
      ttftMs: 2,
      predictedTtftMs: 2,
      prefillTokensPerSecond: 0,
      predictedPrefill: 0,
      decodeTokensPerSecond: 1,
      predictedDecode: 1,
      withoutGraphs: 1,
      predictedWithoutGraphs: 1,
      recorded: 1,
    }),
  ].join("\n"),
);
