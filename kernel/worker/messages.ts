/**
 * What the front process, the worker process and the compiler thread say to each other: types, and the few names that
 * both ends need.
 *
 * A cell is known by its `run`, a number that grows by one with every piece of code that is run in a kernel's life.
 */
import type {
  CompiledCell,
  CompileReply,
  Completeness,
  Completion,
  ErrorReport,
  Inspection,
  MimeBundle,
} from "../cells/compiled-cell";

export type {
  CompiledCell,
  CompileReply,
  Completeness,
  Completion,
  ErrorReport,
  Inspection,
  MimeBundle,
} from "../cells/compiled-cell";

/** What the compiler can be asked. `offset` counts UTF-16 code units. */
export interface CompilerCalls {
  /** `keep`: later cells see what this one declares. */
  compile(request: { readonly source: string; readonly keep: boolean }): CompileReply;
  complete(request: { readonly source: string; readonly offset: number }): Completion;
  inspect(request: { readonly source: string; readonly offset: number }): Inspection | undefined;
  isComplete(request: { readonly source: string }): Completeness;
  /** Cells see these declarations from now on. */
  reset(request: { readonly declarations: string }): undefined;
}

/** A comm's message (api/comms.ts), its bytes as base64. */
export interface CommFrame {
  readonly kind: "open" | "message" | "close";
  readonly id: string;
  readonly target?: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly buffers: readonly string[];
}

export interface CompilerRequest {
  readonly id: number;
  readonly call: keyof CompilerCalls;
  readonly request: unknown;
}

export type CompilerResponse =
  | {
      readonly id: number;
      readonly result: unknown;
      /** What the cells so far declare, when it has changed. */
      readonly declarations?: string;
    }
  | { readonly id: number; readonly failure: string };

export interface CompilerThreadData {
  /** Of earlier cells. */
  readonly declarations: string;
}

export type ToWorker =
  | {
      readonly type: "run";
      readonly run: number;
      /** Number that the notebook shows; names the cell in tracebacks and spans. */
      readonly executionCount: number;
      readonly cell: CompiledCell;
      /** Show the value of the last expression. */
      readonly showResult: boolean;
      /** The front end is a console. */
      readonly console: boolean;
    }
  /** A comm's message from the page; answered by `handled` when its listeners have run. */
  | { readonly type: "comm"; readonly run: number; readonly comm: CommFrame }
  /** The answer to a question, or why there is none. */
  | {
      readonly type: "answer";
      readonly question: number;
      readonly answer: { readonly value: string } | { readonly refused: string };
    }
  /** `ordinal` counts interrupts; the same number goes down the interrupt pipe. */
  | { readonly type: "interrupt"; readonly run: number; readonly ordinal: number };

/**
 * Frames on an inherited pipe: their length (uint32, little endian), a run (uint32), a kind (uint8), then text. That of
 * streams is what was printed, since a hundred thousand lines are as many frames; of all other messages it is the JSON.
 */
export const FRAME_HEAD_BYTES = 9;
export const FRAME_KINDS = { json: 0, stdout: 1, stderr: 2 } as const;

export type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "stream"; readonly run: number; readonly name: "stdout" | "stderr"; readonly text: string }
  | {
      readonly type: "display";
      readonly run: number;
      readonly data: MimeBundle;
      readonly displayId?: string;
      /** Changes the displays that carry this id. */
      readonly update: boolean;
    }
  | { readonly type: "comm"; readonly run: number; readonly comm: CommFrame }
  | { readonly type: "handled"; readonly run: number }
  | {
      readonly type: "question";
      readonly run: number;
      readonly question: number;
      readonly prompt: string;
      readonly password: boolean;
    }
  | { readonly type: "clear"; readonly run: number; readonly wait: boolean }
  | { readonly type: "result"; readonly run: number; readonly data: MimeBundle }
  | {
      readonly type: "done";
      readonly run: number;
      /** The process's own streams that carry this run's mark: what the cell wrote there ends with it. */
      readonly marks: readonly ("stdout" | "stderr")[];
      readonly error?: ErrorReport;
      /** The last expression's value for user_expressions, which show nothing. */
      readonly value?: MimeBundle;
    };

/** Environment variable with the secret that marks a cell's end on the worker's own stdout and stderr. */
export const FLUSH_SECRET = "STATELINE_FLUSH_SECRET";
/** File descriptors that the worker inherits: frames out, interrupts in. Node's IPC channel is 3. */
export const FRAMES_FD = 4;
export const INTERRUPT_FD = 5;

/** What the worker writes to its fd 1 and 2 when cell `run` has ended. */
export function flushMarker(secret: string, run: number): string {
  return `\0${secret}:${run}\0`;
}
