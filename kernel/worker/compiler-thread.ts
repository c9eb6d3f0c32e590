/** The thread that compiles cells. The front starts it in its own process, so that it lives on when a worker dies. */
import { parentPort } from "node:worker_threads";
import { CellCompiler } from "../cells/compiler";
import { chosenTypeErrors } from "../cells/type-errors";
import type { CompilerCalls, CompilerRequest, CompilerResponse } from "./messages";

/** A pause this long is used to make ready for the next cell. */
const IDLE_MS = 50;

type Handlers = { readonly [Call in keyof CompilerCalls]: (request: never) => ReturnType<CompilerCalls[Call]> };

function handlers(compiler: CellCompiler): Handlers {
  return {
    compile: ({ source, keep }: Parameters<CompilerCalls["compile"]>[0]) => compiler.compile(source, keep),
    complete: ({ source, offset }: Parameters<CompilerCalls["complete"]>[0]) => compiler.complete(source, offset),
    inspect: ({ source, offset }: Parameters<CompilerCalls["inspect"]>[0]) => compiler.inspect(source, offset),
    isComplete: ({ source }: Parameters<CompilerCalls["isComplete"]>[0]) => compiler.isComplete(source),
    reset: (): undefined => void compiler.reset(),
  };
}

function serve(): void {
  const port = parentPort;
  if (port === null) throw new Error("compiler-thread runs as a worker thread only");
  const compiler = new CellCompiler(process.cwd(), chosenTypeErrors(process.env));
  const calls = handlers(compiler);
  let idle: NodeJS.Timeout | undefined;
  port.on("message", ({ id, call, request }: CompilerRequest) => {
    const handle = calls[call] as (request: unknown) => unknown;
    let response: CompilerResponse;
    try {
      response = { id, result: handle(request) };
    } catch (error) {
      response = { id, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    port.postMessage(response);
    clearTimeout(idle);
    idle = setTimeout(() => compiler.prepare(), IDLE_MS);
  });
}

serve();
