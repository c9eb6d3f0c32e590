/** What the server asks of its analysis thread: plain data both ways, answers as JSON text or bytes, ready to be sent. */

import type { CollectiveQuery } from "../trace/collective-table";
import type { EventColumns } from "../trace/events";
import type { TraceFormat } from "../trace/export/index";
import type { Look } from "../trace/look";
import type { RunInfo } from "../trace/run";

/** What is computed of one run. */
export type Question =
  | { readonly kind: "summary" | "lanes" | "overview" | "analysis" }
  | { readonly kind: "tile"; readonly rank: number; readonly stream: number; readonly tile: number }
  | { readonly kind: "look"; readonly look: Look }
  | { readonly kind: "collectives"; readonly query: CollectiveQuery };

export type Task =
  | {
      readonly kind: "load";
      readonly run: number;
      readonly info: RunInfo;
      readonly events: EventColumns;
      readonly pageEvents: number;
    }
  | { readonly kind: "forget"; readonly run: number }
  | { readonly kind: "ask"; readonly run: number; readonly question: Question }
  | { readonly kind: "compare"; readonly a: number; readonly b: number }
  /** The next piece of a file; null after the last. */
  | {
      readonly kind: "piece";
      readonly run: number;
      readonly file: number;
      readonly format: TraceFormat;
      readonly rank?: number;
    }
  /** Of this file no more pieces are asked for. */
  | { readonly kind: "drop"; readonly file: number };

/** Text is JSON; null says that there is no such thing. */
export type Answer = string | Uint8Array<ArrayBuffer> | null;

export interface Request {
  readonly id: number;
  readonly task: Task;
}

export type Reply =
  | { readonly id: number; readonly answer: Answer }
  | { readonly id: number; readonly code: string; readonly message: string };
