/** execute_request: cells run one at a time, in the order in which they came. */
import type { ErrorReport, MimeBundle } from "../worker/messages";
import type { CellProcess, RunResult } from "./cell-process";
import type { CompilerClient } from "./compiler-client";
import { KernelError } from "./connection";
import type { History } from "./history";
import { helpTarget, inspectionBundle } from "./inspection";
import type { OutputRouter } from "./output-router";
import type { Content, Message, Outgoing } from "./wire";

interface Request {
  readonly message: Message;
  readonly answer: Answer;
}

/** Takes content and metadata of execute_reply. */
type Answer = (reply: Content, metadata: Content) => void;

interface Execution {
  readonly message: Message;
  readonly silent: boolean;
  /** Number in the notebook; 0 for code that leaves no trace there. */
  readonly count: number;
  readonly interruption: AbortController;
}

export interface ExecutionParts {
  readonly compiler: CompilerClient;
  readonly cells: CellProcess;
  readonly outputs: OutputRouter;
  readonly history: Pick<History, "add">;
  readonly publish: (message: Outgoing) => void;
  /** Asks the client that sent the request. */
  readonly ask: (request: Message, prompt: string, password: boolean) => Promise<string>;
  /** Brackets a request with status busy and idle. */
  readonly busy: (message: Message, work: () => Promise<void>) => Promise<void>;
}

const INTERRUPTED: ErrorReport = {
  ename: "Interrupted",
  evalue: "the cell was interrupted",
  traceback: ["\u001b[31mInterrupted\u001b[39m: the cell was interrupted"],
};

const ABORTED: ErrorReport = {
  ename: "Aborted",
  evalue: "not run, because a cell before it failed",
  traceback: [],
};

export class ExecutionQueue {
  readonly #parts: ExecutionParts;
  readonly #queue: Request[] = [];
  #current: Execution | undefined;
  #working = false;
  #executionCount = 0;

  constructor(parts: ExecutionParts) {
    this.#parts = parts;
  }

  /** The request that is being executed. */
  get current(): Message | undefined {
    return this.#current?.message;
  }

  add(message: Message, answer: Answer): void {
    this.#queue.push({ message, answer });
    if (!this.#working) void this.#work();
  }

  interrupt(): void {
    this.#current?.interruption.abort();
    this.#parts.cells.interrupt();
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const { message, answer } = next;
      await this.#parts.busy(message, async () => {
        const error = await this.#execute(message, answer);
        this.#queue.shift();
        // The default of the protocol: what was queued behind a failed cell is not run, and says so as an error.
        if (error !== undefined && message.content["stop_on_error"] !== false) await this.#abortQueue();
      });
    }
    this.#working = false;
  }

  async #abortQueue(): Promise<void> {
    for (const { message, answer } of this.#queue.splice(0))
      await this.#parts.busy(message, () => {
        const content = { ...errorContent(ABORTED), execution_count: this.#executionCount };
        answer(content, replyMetadata(message, new Date(), "aborted"));
        return Promise.resolve();
      });
  }

  async #execute(message: Message, answer: Answer): Promise<ErrorReport | undefined> {
    const started = new Date();
    const { content } = message;
    const code = typeof content["code"] === "string" ? content["code"] : "";
    const silent = content["silent"] === true;
    const stored = !silent && content["store_history"] !== false && code.trim() !== "";
    const count = stored ? ++this.#executionCount : 0;
    const execution: Execution = { message, silent, count, interruption: new AbortController() };
    this.#current = execution;
    if (stored) this.#parts.history.add(count, code);
    if (!silent)
      this.#parts.publish({
        type: "execute_input",
        parent: message.header,
        content: { code, execution_count: this.#executionCount },
      });
    const { error, payload } = await this.#evaluate(execution, code);
    const userExpressions = error === undefined ? await this.#userExpressions(execution) : {};
    this.#parts.outputs.flush();
    if (error !== undefined && !silent)
      this.#parts.publish({ type: "error", parent: message.header, content: { ...error } });
    this.#current = undefined;
    const outcome =
      error === undefined ? { status: "ok", payload, user_expressions: userExpressions } : errorContent(error);
    const metadata = replyMetadata(message, started, outcome.status);
    answer({ ...outcome, execution_count: this.#executionCount }, metadata);
    return error;
  }

  async #evaluate(execution: Execution, code: string): Promise<{ error?: ErrorReport; payload: readonly Content[] }> {
    if (code.trim() === "") return { payload: [] };
    const help = helpTarget(code);
    if (help !== undefined) return this.#page(execution, help);
    const { error } = await this.#runCode(execution, code, { keep: true, showResult: !execution.silent });
    return { ...(error === undefined ? {} : { error }), payload: [] };
  }

  /** `?name`: what the compiler knows, in the front end's pager. */
  async #page(
    { interruption: { signal } }: Execution,
    name: string,
  ): Promise<{ error?: ErrorReport; payload: readonly Content[] }> {
    try {
      const inspection = await this.#parts.compiler.call("inspect", { source: name, offset: name.length }, signal);
      if (inspection !== undefined)
        return { payload: [{ source: "page", data: inspectionBundle(inspection), start: 0 }] };
      const evalue = `nothing is known about ${name}`;
      return { error: { ename: "HelpError", evalue, traceback: [evalue] }, payload: [] };
    } catch (error) {
      return { error: compilerError(error, signal), payload: [] };
    }
  }

  async #userExpressions(cell: Execution): Promise<Content> {
    const expressions = cell.message.content["user_expressions"];
    const results: Record<string, Content> = {};
    if (typeof expressions !== "object" || expressions === null) return results;
    for (const [name, expression] of Object.entries(expressions)) {
      const execution: Execution = { ...cell, silent: false, count: 0 };
      const { error, value } = await this.#runCode(execution, String(expression), { keep: false, showResult: false });
      const data: MimeBundle = value ?? { "text/plain": "undefined" };
      results[name] = error === undefined ? { status: "ok", data, metadata: {} } : errorContent(error);
    }
    return results;
  }

  async #runCode(
    execution: Execution,
    source: string,
    { keep, showResult }: { readonly keep: boolean; readonly showResult: boolean },
  ): Promise<RunResult> {
    const { compiler, cells, outputs } = this.#parts;
    const { silent, count, message } = execution;
    const { signal } = execution.interruption;
    try {
      if (signal.aborted) return { error: INTERRUPTED };
      const compiled = await compiler.call("compile", { source, keep }, signal);
      if (compiled.kind === "refused") return { error: compiled.error };
      const run = outputs.begin({ parent: message.header, silent, executionCount: count });
      if (compiled.warning !== undefined)
        outputs.handle({ type: "stream", run, name: "stderr", text: `${compiled.warning}\n` });
      const ask =
        message.content["allow_stdin"] === true
          ? (prompt: string, password: boolean): Promise<string> => this.#parts.ask(message, prompt, password)
          : undefined;
      const console = isConsole(message);
      return await cells.run({ run, executionCount: count, cell: compiled.cell, showResult, console, ask });
    } catch (error) {
      return { error: compilerError(error, signal) };
    }
  }
}

/** Why a call to the compiler came to nothing. */
function compilerError(error: unknown, signal: AbortSignal): ErrorReport {
  if (signal.aborted) return INTERRUPTED;
  if (!(error instanceof KernelError)) throw error;
  return { ename: error.code, evalue: error.message, traceback: [`${error.code}: ${error.message}`] };
}

function errorContent(error: ErrorReport): Content & { readonly status: string } {
  return { status: "error", ...error };
}

/**
 * Whether a request comes from a console (`jupyter console`, Qt's): somebody sits before it, but the code is no notebook's
 * cell, whose id notebooks send along. Consoles leave update_display_data out (jupyter_console 6.6, ptshell.py).
 */
function isConsole({ content, metadata }: Message): boolean {
  return content["allow_stdin"] === true && metadata["cellId"] === undefined;
}

/** As ipykernel has it: JupyterLab records a cell's timing by `started`. */
function replyMetadata({ metadata }: Message, started: Date, status: string): Content {
  const { cellId } = metadata;
  return { started: started.toISOString(), status, ...(typeof cellId === "string" ? { cellId } : {}) };
}
