/** Runs compiled cells in this process, one after the other, and interrupts them. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { types } from "node:util";
import vm from "node:vm";
import type { CompiledCell, ErrorReport } from "./compiled-cell";
import { CellContext, currentCell, installCellHost, runInCell, type CellOutputs } from "./cell-context";
import { installInput } from "./cell-input";
import { cellParameters } from "./cell-function";
import { CellModules, installOwnModules } from "./cell-modules";
import { helpBundle } from "./magics";
import type * as Magics from "./run-magics";
import { INTERRUPT_FLAG, INTERRUPTS_HANDLED, INTERRUPTS_SIGNALLED } from "./interrupt-flag";
import type { SignalGate } from "./signal-gate";
import { errorReport, installStackTraces, registerCell } from "./traceback";

/** What a cell that the user interrupted throws. */
export class Interrupted extends Error {
  override readonly name: string = "Interrupted";

  constructor() {
    super("the cell was interrupted");
    this.stack = `${this.name}: ${this.message}`; // made ahead of time: its frames would say nothing
  }
}

export type CellOutcome =
  { readonly kind: "value"; readonly value: unknown } | { readonly kind: "error"; readonly error: ErrorReport };

/** How long a cell that gave up waiting still sees the flag, so that loops which outlive it stop. */
const FLAG_LINGERS_MS = 20;
/** How often, and how long at most, the interrupt thread is waited for. */
const SIGNAL_POLL_MS = 2;
const SIGNAL_PATIENCE_MS = 1500;

export class CellRunner {
  readonly #modules: CellModules;
  readonly #variables: Record<string, unknown> = {};
  readonly #outputs: CellOutputs;
  readonly #interrupts: Int32Array;
  readonly #cwd: string;
  readonly #stop = new Interrupted();
  readonly #gate: SignalGate;
  /** Done when no interrupt of an earlier cell can reach the next one any more. */
  #interrupting: Promise<void> = Promise.resolve();
  #running: { readonly context: CellContext; readonly reject: (reason: Error) => void } | undefined;

  /** @param interrupts Shared memory (interrupt-flag.ts): loops of cells stop while `INTERRUPT_FLAG` is not 0. */
  constructor(cwd: string, outputs: CellOutputs, interrupts: Int32Array, gate: SignalGate) {
    this.#cwd = cwd;
    this.#outputs = outputs;
    this.#interrupts = interrupts;
    this.#gate = gate;
    this.#modules = new CellModules(cwd);
    installStackTraces();
    installOwnModules();
    installCellHost();
    installInput();
  }

  /** @param console The front end is one. */
  async run(cell: CompiledCell, run: number, executionCount: number, console: boolean): Promise<CellOutcome> {
    const earlier = this.#interrupting;
    const context = new CellContext(run, executionCount, this.#outputs, console);
    const name = `In[${executionCount}]`;
    registerCell(name, cell);
    this.#modules.update(cell.sideModules);
    const interrupted = new Promise<never>((_, reject) => {
      this.#running = { context, reject };
    });
    try {
      const slot: { value?: unknown } = {};
      const body = async (): Promise<void> => {
        await earlier;
        if (context.interrupted) throw this.#stop;
        await this.#modules.prepare(cell.imports);
        await this.#enter(cell, name, context, slot);
        // What a reader of `run.timeline()` on a last line wants to see is the timeline.
        if (types.isPromise(slot.value)) slot.value = await slot.value;
      };
      const whole = (): Promise<void> =>
        cell.magics.length === 0 ? body() : magics().withMagics(cell.magics, context, body);
      await Promise.race([runInCell(context, whole), interrupted]);
      // What the cell's signal has cancelled may well end without an error, with a part of the result.
      if (context.interrupted) throw this.#stop;
      return { kind: "value", value: slot.value };
    } catch (thrown) {
      const interruption = context.interrupted || isInterruption(thrown);
      return { kind: "error", error: errorReport(interruption ? this.#stop : thrown) };
    } finally {
      this.#running = undefined;
    }
  }

  /** Interrupts cell `run` where it waits; its loops have seen the flag before. */
  interrupt(run: number, ordinal: number): Promise<void> {
    this.#interrupting = this.#interruptAndSettle(run, ordinal);
    return this.#interrupting;
  }

  async #interruptAndSettle(run: number, ordinal: number): Promise<void> {
    const running = this.#running;
    if (running?.context.run === run) {
      Atomics.store(this.#interrupts, INTERRUPT_FLAG, ordinal);
      running.context.interrupt(this.#stop);
      await new Promise((resolve) => setTimeout(resolve, FLAG_LINGERS_MS));
      running.reject(this.#stop);
    }
    const deadline = performance.now() + SIGNAL_PATIENCE_MS;
    while (Atomics.load(this.#interrupts, INTERRUPTS_SIGNALLED) < ordinal && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, SIGNAL_POLL_MS));
    const handled = Atomics.load(this.#interrupts, INTERRUPTS_HANDLED);
    Atomics.store(this.#interrupts, INTERRUPTS_HANDLED, Math.max(handled, ordinal)); // two in a row may settle in any order
    // The next interrupt may be under way already: its flag stays.
    Atomics.compareExchange(this.#interrupts, INTERRUPT_FLAG, ordinal, 0);
  }

  /** Calls the cell's function so that SIGINT breaks its synchronous part, also inside packages. */
  async #enter(cell: CompiledCell, name: string, context: CellContext, slot: { value?: unknown }): Promise<void> {
    const head = `(${cell.hasAwait ? "async " : ""}function (${cellParameters.join(", ")}) { `;
    const script = new vm.Script(`${head}${cell.javascript}\n})`, { filename: name, columnOffset: -head.length });
    const call = script.runInThisContext({ displayErrors: false }) as (...values: readonly unknown[]) => unknown;
    const file = join(this.#cwd, name);
    const literals = new Map<number, vm.Script>();
    const values: Record<(typeof cellParameters)[number], unknown> = {
      exports: this.#variables,
      require: this.#modules.require,
      module: { exports: this.#variables },
      __filename: file,
      __dirname: this.#cwd,
      $cell: slot,
      $interrupt: this.#interrupts,
      $stop: this.#stop,
      $interrupted: (): boolean => currentCell()?.interrupted === true,
      $import: this.#modules.import,
      $meta: { url: pathToFileURL(file).href, filename: file, dirname: this.#cwd, resolve: this.#modules.resolve },
      $literal: (ordinal: number): unknown => {
        const { start = 0, end = 0 } = cell.literals[ordinal] ?? {};
        // Kept: one in a function that is called often would be parsed each time.
        const literal =
          literals.get(ordinal) ?? new vm.Script(`(${cell.source.slice(start, end)})`, { filename: name });
        literals.set(ordinal, literal);
        return literal.runInThisContext();
      },
      $magics: {
        bash: (script: string): Promise<void> => magics().bash(script, context.host.signal),
        get help(): object {
          return { [Symbol.for("Jupyter.display")]: helpBundle };
        },
      },
    };
    await this.#gate.within(breakable, () => {
      // A SIGINT that came before the script was entered has broken nothing.
      if (Atomics.load(this.#interrupts, INTERRUPT_FLAG) !== 0) throw this.#stop;
      return call(...cellParameters.map((parameter) => values[parameter]));
    });
  }
}

/** Loaded by the first cell that needs it: it brings the engine's API with it. */
function magics(): typeof Magics {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return require("./run-magics") as typeof Magics;
}

const ENTER = Symbol.for("stateline.enterCell");
const enterScript = new vm.Script(`globalThis[Symbol.for("stateline.enterCell")]()`, { filename: "stateline:enter" });

/** Only what runs inside a vm script is broken by SIGINT: so the call is made from one. */
function breakable<T>(body: () => T): T {
  Reflect.set(globalThis, ENTER, body);
  try {
    return enterScript.runInThisContext({ breakOnSigint: true, displayErrors: false }) as T;
  } finally {
    Reflect.deleteProperty(globalThis, ENTER);
  }
}

function isInterruption(thrown: unknown): boolean {
  if (!types.isNativeError(thrown)) return false; // asks the value nothing: a proxy may answer by throwing
  return Object.getOwnPropertyDescriptor(thrown, "code")?.value === "ERR_SCRIPT_EXECUTION_INTERRUPTED";
}
