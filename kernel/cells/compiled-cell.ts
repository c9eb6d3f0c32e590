/** What compiling a cell, and asking about one, gives: plain data that threads and processes can exchange. */
import type { Span } from "./large-literals";
import type { CellMagic } from "./magics";

/** Data by MIME type. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** Module of the user's own (a .ts or .js file beside the notebook), compiled along with a cell that imports it. */
export interface SideModule {
  readonly path: string;
  readonly javascript: string;
}

/** From a position in the running code back to the cell's text. */
export interface CellMaps {
  /** Source map (JSON): running code over the edited module; empty where they are the same. */
  readonly code: string;
  /** Edits that made the edited module from the converter's. */
  readonly edits: readonly {
    readonly line: number;
    readonly column: number;
    readonly removed: number;
    readonly inserted: number;
  }[];
  /** Source map (JSON): the converter's module over the cell with `prefixLines` lines before it. */
  readonly module: string;
  readonly prefixLines: number;
}

/** Body of a function, with what is needed to run it and to find the way back to its source. */
export interface CompiledCell {
  readonly source: string;
  readonly javascript: string;
  readonly hasAwait: boolean;
  readonly imports: readonly string[];
  readonly sideModules: readonly SideModule[];
  readonly magics: readonly CellMagic[];
  /** Where in `source` the literals stand that `javascript` asks for by number (large-literals.ts). */
  readonly literals: readonly Span[];
  readonly maps: CellMaps;
}

/** What Jupyter calls an error: a name, a value and lines of text that may carry ANSI colours. */
export interface ErrorReport {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

export type CompileReply =
  | {
      readonly kind: "compiled";
      readonly cell: CompiledCell;
      /** What the types forbid, where that does not refuse a cell (type-errors.ts). */
      readonly warning?: string;
    }
  | { readonly kind: "refused"; readonly error: ErrorReport };

/** `start` and `end` are UTF-16 offsets into the source. */
export interface Completion {
  readonly start: number;
  readonly end: number;
  readonly matches: readonly { readonly text: string; readonly type: string }[];
}

export interface Inspection {
  readonly signature: string;
  readonly documentation: string;
}

export type Completeness =
  { readonly status: "complete" | "invalid" } | { readonly status: "incomplete"; readonly indent: string };
