/** The table of docs/golden.md: made from what a run of the golden cases measured, and read back to compare. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "./fixtures";

/** A case in one arithmetic, the worst over all its numbers of ranks and ways to prefill. */
export interface GoldenRow {
  readonly case: string;
  readonly arithmetic: string;
  readonly ranks: readonly number[];
  readonly largest: number;
  readonly bound: number;
  readonly mean: number;
  /** Undefined where greedy tokens are not compared. */
  readonly greedy: boolean | undefined;
}

const path = join(root, "docs/golden.md");
const columns = ["case", "arithmetic", "ranks", "largest", "bound", "mean", "greedy tokens"];
const numbers = ["largest", "bound", "mean"];
const table = /^\| case .*\n(\|.*\n)+/m;
const kernels = /The figures are of the \S+ kernels/;

/** Adds a measurement to those of the same case and arithmetic. */
export function worst(row: GoldenRow | undefined, next: GoldenRow): GoldenRow {
  if (!row) return next;
  return {
    ...row,
    ranks: [...new Set([...row.ranks, ...next.ranks])],
    largest: Math.max(row.largest, next.largest),
    mean: Math.max(row.mean, next.mean),
    greedy: next.greedy === undefined ? row.greedy : next.greedy && row.greedy !== false,
  };
}

function cellsOf({ greedy, ranks, largest, bound, mean, ...row }: GoldenRow): string[] {
  const figures = [largest, bound, mean].map((value) => value.toExponential(1).replace(/e([+-])(\d)$/, "e$10$2"));
  return [
    row.case,
    row.arithmetic,
    ranks.join(", "),
    ...figures,
    greedy === undefined ? "" : greedy ? "equal" : "differ",
  ];
}

/** Rows of the document. */
export function documentedRows(): GoldenRow[] {
  const lines = table.exec(readFileSync(path, "utf8"))?.[0].trimEnd().split("\n").slice(2) ?? [];
  return lines.map((line) => {
    const [name = "", arithmetic = "", ranks = "", largest, bound, mean, greedy] = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    return {
      ...{ case: name, arithmetic, ranks: ranks.split(", ").map(Number) },
      ...{ largest: Number(largest), bound: Number(bound), mean: Number(mean) },
      greedy: greedy === "" ? undefined : greedy === "equal",
    };
  });
}

/** Replaces the document's table; `isa`: of the kernels that gave the figures. */
export function writeTable(rows: readonly GoldenRow[], isa: string): void {
  const sorted = [...rows].sort((a, b) => `${a.case} ${a.arithmetic}`.localeCompare(`${b.case} ${b.arithmetic}`));
  const cells = [columns, ...sorted.map(cellsOf)];
  const widths = columns.map((_, c) => Math.max(...cells.map((row) => row[c]?.length ?? 0)));
  const isNumber = (c: number): boolean => numbers.includes(columns[c] ?? "");
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, c) => (isNumber(c) ? cell.padStart(widths[c] ?? 0) : cell.padEnd(widths[c] ?? 0))).join(" | ")} |\n`;
  const rule = widths.map((width, c) => (isNumber(c) ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  const [head = [], ...body] = cells;
  const text = readFileSync(path, "utf8")
    .replace(table, () => [head, rule, ...body].map(line).join(""))
    .replace(kernels, `The figures are of the ${isa} kernels`);
  writeFileSync(path, text);
}
