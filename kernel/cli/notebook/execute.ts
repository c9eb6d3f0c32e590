/** Executes a notebook with the kernel's own parts, without sockets and without Jupyter. */

import { CellProcess } from "../../jupyter/cell-process";
import { CompilerClient } from "../../jupyter/compiler-client";
import { ExecutionQueue } from "../../jupyter/execution";
import { OutputRouter } from "../../jupyter/output-router";
import type { Content, Message, Outgoing } from "../../jupyter/wire";
import { joined, type Cell, type Notebook, type Output } from "./format";
import { CellOutputs } from "./outputs";

export interface ExecuteOptions {
  /** Go on after a cell that fails. Cells tagged `raises-exception` may always fail. */
  readonly allowErrors: boolean;
  /** For each cell; it is interrupted then. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
  /** Before each code cell. */
  readonly onCell: (ordinal: number, count: number) => void;
  readonly onOutput: (output: Output) => void;
}

export interface CellFailure {
  /** Number of the cell among all cells, from 1. */
  readonly cell: number;
  readonly ename: string;
  readonly evalue: string;
}

/** The notebook with new outputs, and the failure that ended it. Cells resolve modules and files from the working directory. */
export async function executeNotebook(
  notebook: Notebook,
  options: ExecuteOptions,
): Promise<{ notebook: Notebook; failure: CellFailure | undefined }> {
  const outputs = new CellOutputs(options.onOutput);
  const session = startSession(outputs);
  const interrupt = (): void => session.executions.interrupt();
  options.signal.addEventListener("abort", interrupt, { once: true });
  const code = notebook.cells.filter(({ cell_type: type }) => type === "code");
  const counts = new Map<Cell, number | null>();
  let failure: CellFailure | undefined;
  try {
    for (const [ordinal, cell] of code.entries()) {
      if (options.signal.aborted) break;
      options.onCell(ordinal + 1, code.length);
      const number = notebook.cells.indexOf(cell) + 1;
      const reply = await session.run(`cell-${number}`, joined(cell.source), options.timeoutMs);
      outputs.end(`cell-${number}`);
      counts.set(cell, joined(cell.source).trim() === "" ? null : Number(reply["execution_count"]));
      const mayFail = options.allowErrors || cell.metadata?.tags?.includes("raises-exception") === true;
      if (reply["status"] === "ok" || mayFail) continue;
      failure = { cell: number, ename: String(reply["ename"]), evalue: String(reply["evalue"]) };
      break;
    }
  } finally {
    options.signal.removeEventListener("abort", interrupt);
    await session.close();
  }
  const cells = notebook.cells.map((cell, index) =>
    cell.cell_type === "code"
      ? { ...cell, execution_count: counts.get(cell) ?? null, outputs: outputs.of(`cell-${index + 1}`) }
      : cell,
  );
  const metadata = { language_info: { name: "typescript", file_extension: ".ts" }, ...notebook.metadata };
  return { notebook: { ...notebook, cells, metadata }, failure };
}

interface Session {
  readonly executions: ExecutionQueue;
  /** The content of execute_reply. */
  run(id: string, source: string, timeoutMs: number | undefined): Promise<Content>;
  close(): Promise<void>;
}

function startSession(outputs: CellOutputs): Session {
  const publish = (message: Outgoing): void => outputs.add(message);
  const router = new OutputRouter(publish);
  const compiler = new CompilerClient();
  const cells = new CellProcess(router, {
    onLost: () => compiler.reset(""),
    onComm: () => undefined, // there is no page to talk to
  });
  const executions = new ExecutionQueue({
    compiler,
    cells,
    outputs: router,
    history: { add: () => undefined },
    publish,
    busy: (_, work) => work(),
    ask: () => Promise.resolve(""), // never asked: requests say that they take no input
  });
  return {
    executions,
    async run(id, source, timeoutMs) {
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => executions.interrupt(), timeoutMs);
      try {
        return await new Promise((resolve) => executions.add(request(id, source), resolve));
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      router.flush();
      cells.close();
      await compiler.close();
    },
  };
}

function request(id: string, code: string): Message {
  const header = { msg_id: id, msg_type: "execute_request", session: "", username: "", date: "", version: "" };
  const content = { code, silent: false, store_history: true, stop_on_error: false };
  return { identities: [], header, parent: undefined, metadata: {}, content, buffers: [] };
}
