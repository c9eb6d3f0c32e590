/** How one checkpoint tensor is split over the ranks, and which of its elements a rank then holds. */

import { ShardError } from "../errors";
import type { RankSlice, RowRun } from "../native";

/**
 * - `replicated`: every rank holds all of it.
 * - `first`: rank 0 alone, as a bias that is added once to a sum over ranks.
 * - `rows`: whole rows, equally many a rank.
 * - `packedRows`: so inside each of `parts` equal blocks, as Mamba's in_proj needs (its first half is x, its second z).
 * - `interleavedRows`: so inside each of `parts` parts whose rows take turns, as Zamba's in_proj needs.
 * - `headRows`: rows of whole heads; where the ranks are more than the heads, several hold the same one.
 * - `headColumns`: rows of whole heads; where the ranks are more than the heads, the ranks of a head split its columns.
 * - `unevenRows`: whole rows, the first ranks one more where the ranks do not divide them, as the vocabulary needs.
 * - `columns`: equally many columns a rank, which leaves partial sums for an AllReduce.
 */
export type Split =
  | { readonly kind: "replicated" }
  | { readonly kind: "first" }
  | { readonly kind: "rows" }
  | { readonly kind: "packedRows"; readonly parts: number }
  | { readonly kind: "interleavedRows"; readonly parts: number }
  | { readonly kind: "headRows"; readonly heads: number }
  | { readonly kind: "headColumns"; readonly heads: number }
  | { readonly kind: "unevenRows" }
  | { readonly kind: "columns" };

/**
 * Part of a [rows, columns] tensor that rank `rank` of `ranks` holds, in the order it stores it.
 *
 * @throws ShardError `E_TP_INDIVISIBLE` when `ranks` does not divide what is split.
 * @example
 * sliceOfRank({ kind: "packedRows", parts: 2 }, 8, 3, 0, 2).rows; // [{ begin: 0, end: 2, step: 1 }, { begin: 4, end: 6, step: 1 }]
 */
export function sliceOfRank(split: Split, rows: number, columns: number, rank: number, ranks: number): RankSlice {
  const whole = { columnBegin: 0, columnEnd: columns };
  switch (split.kind) {
    case "replicated":
      return { rows: run(0, rows), ...whole };
    case "first":
      return { rows: rank === 0 ? run(0, rows) : [], ...whole };
    case "rows":
      return { rows: part(0, rows, rank, ranks), ...whole };
    case "packedRows": {
      const block = share(rows, split.parts);
      const parts = Array.from({ length: split.parts }, (_, index) => part(index * block, block, rank, ranks));
      return { rows: parts.flat(), ...whole };
    }
    case "interleavedRows": {
      const [{ begin, end } = { begin: 0, end: 0 }] = part(0, share(rows, split.parts), rank, ranks);
      const each = Array.from({ length: split.parts }, (_, index) => ({
        begin: begin * split.parts + index,
        end: end * split.parts,
        step: split.parts,
      }));
      return { rows: each, ...whole };
    }
    case "headRows": {
      if (split.heads % ranks === 0) return { rows: part(0, rows, rank, ranks), ...whole };
      return { rows: part(0, rows, Math.floor(rank / share(ranks, split.heads)), split.heads), ...whole };
    }
    case "headColumns": {
      if (split.heads % ranks === 0) return { rows: part(0, rows, rank, ranks), ...whole };
      const group = share(ranks, split.heads);
      const width = share(columns, group);
      const begin = (rank % group) * width;
      const head = part(0, rows, Math.floor(rank / group), split.heads);
      return { rows: head, columnBegin: begin, columnEnd: begin + width };
    }
    case "unevenRows": {
      const begin = (of: number): number => of * Math.floor(rows / ranks) + Math.min(of, rows % ranks);
      return { rows: run(begin(rank), begin(rank + 1)), ...whole };
    }
    case "columns": {
      const width = share(columns, ranks);
      return { rows: run(0, rows), columnBegin: rank * width, columnEnd: (rank + 1) * width };
    }
  }
}

/** Elements in a slice. */
export function sizeOf(slice: RankSlice): number {
  const rows = slice.rows.reduce((sum, { begin, end, step }) => sum + Math.ceil((end - begin) / step), 0);
  return rows * (slice.columnEnd - slice.columnBegin);
}

function run(begin: number, end: number): RowRun[] {
  return begin < end ? [{ begin, end, step: 1 }] : [];
}

function part(begin: number, rows: number, rank: number, ranks: number): RowRun[] {
  const height = share(rows, ranks);
  return run(begin + rank * height, begin + (rank + 1) * height);
}

function share(total: number, parts: number): number {
  if (total % parts === 0) return total / parts;
  throw new ShardError("E_TP_INDIVISIBLE", `${parts} ranks must divide ${total} rows or columns`, { parts, total });
}
