/** Which cell the running code belongs to, also long after the cell has ended: in timers, promises and callbacks. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { CommMessage } from "../api/comms";
import type { CellHost } from "../api/display";
import type { MimeBundle } from "./compiled-cell";

/** Where a cell's output goes. */
export interface CellOutputs {
  stream(run: number, name: "stdout" | "stderr", text: string): void;
  display(run: number, data: MimeBundle, displayId?: string): void;
  update(run: number, data: MimeBundle, displayId: string): void;
  clear(run: number, wait: boolean): void;
  comm(run: number, message: CommMessage): void;
  /** The answer to a question. Rejects when nobody can be asked, and when the signal fires. */
  input(run: number, question: string, password: boolean, signal: AbortSignal): Promise<string>;
}

/** One run of one cell. */
export class CellContext {
  readonly #abort = new AbortController();
  readonly #outputs: CellOutputs;
  readonly host: CellHost;

  constructor(
    readonly run: number,
    readonly executionCount: number,
    outputs: CellOutputs,
    console = false,
  ) {
    this.#outputs = outputs;
    this.host = {
      cell: executionCount,
      console,
      signal: this.#abort.signal,
      display: (bundle, displayId) => outputs.display(run, bundle, displayId),
      update: (bundle, displayId) => outputs.update(run, bundle, displayId),
      clear: (wait) => outputs.clear(run, wait),
      sendComm: (message) => outputs.comm(run, message),
    };
  }

  get interrupted(): boolean {
    return this.#abort.signal.aborted;
  }

  input(question: string, password: boolean): Promise<string> {
    return this.#outputs.input(this.run, question, password, this.#abort.signal);
  }

  interrupt(reason: Error): void {
    this.#abort.abort(reason);
  }
}

const storage = new AsyncLocalStorage<CellContext>();
/** The cell that ran last: callbacks of native code and raw output have no other. */
let latest: CellContext | undefined;

/** The cell that the running code belongs to. */
export function currentCell(): CellContext | undefined {
  return storage.getStore() ?? latest;
}

/** Runs `body` and everything it starts as part of a cell. */
export function runInCell<T>(context: CellContext, body: () => T): T {
  latest = context;
  return storage.run(context, body);
}

/** Offers the current cell's host to `kernel/api`. */
export function installCellHost(): void {
  Object.defineProperty(globalThis, Symbol.for("stateline.cellHost"), {
    configurable: true,
    get: (): CellHost | undefined => currentCell()?.host,
  });
}
