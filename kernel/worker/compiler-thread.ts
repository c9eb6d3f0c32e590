/** The thread that compiles cells. The front starts it in its own process, so that it lives on when a worker dies. */
import { parentPort, workerData } from "node:worker_threads";
import { CellCompiler } from "../cells/compiler";
import { chosenTypeErrors } from "../cells/type-errors";
import type { CompilerCalls, CompilerRequest, CompilerResponse, CompilerThreadData } from "./messages";

/** A pause this long is used to make ready for the next cell. */
const IDLE_MS = 50;

type Handlers = { readonly [Call in keyof CompilerCalls]: (request: never) => ReturnType<CompilerCalls[Call]> };

function handlers(compiler: CellCompiler): Handlers {
  return {
    compile: ({ source, keep }: Parameters<CompilerCalls["compile"]>[0]) => compiler.compile(source, keep),
    complete: ({ source, offset }: Parameters<CompilerCalls["complete"]>[0]) => compiler.complete(source, offset),
    inspect: ({ source, offset }: Parameters<CompilerCalls["inspect"]>[0]) => compiler.inspect(source, offset),
    isComplete: ({ source }: Parameters<CompilerCalls["isComplete"]>[0]) => compiler.isComplete(source),
    reset: ({ declarations }: Parameters<CompilerCalls["reset"]>[0]): undefined =>
      void (compiler.declarations = declarations),
  };
}

function serve(): void {
  const port = parentPort;
  if (port === null) throw new Error("compiler-thread runs as a worker thread only");
  const compiler = new CellCompiler(process.cwd(), chosenTypeErrors(process.env));
  let known = (workerData as CompilerThreadData).declarations;
  compiler.declarations = known;
  const calls = handlers(compiler);
  let idle: NodeJS.Timeout | undefined;
  port.on("message", ({ id, call, request }: CompilerRequest) => {
    const handle = calls[call] as (request: unknown) => unknown;
    let response: CompilerResponse;
    try {
      const result = handle(request);
      const { declarations } = compiler;
      response = declarations === known ? { id, result } : { id, result, declarations };
      known = declarations;
    } catch (error) {
      response = { id, failure: failure(error) };
    }
    port.postMessage(response);
    clearTimeout(idle);
    idle = setTimeout(() => compiler.prepare(), IDLE_MS);
  });
}

function failure(error: unknown): string {
  if (error instanceof RangeError && error.message.includes("call stack"))
    return "the cell is nested too deeply for the compiler (a sum of many thousand terms, as many brackets): write it in parts";
  return `the compiler failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

serve();
