/**
 * The front of the kernel: owns the sockets, answers at all times, and has others do what takes time: a thread compiles
 * cells, a worker process runs them.
 */
import { CellProcess } from "./cell-process";
import { CompilerClient } from "./compiler-client";
import type { ConnectionInfo } from "./connection";
import { ExecutionQueue } from "./execution";
import { History } from "./history";
import { OutputRouter } from "./output-router";
import { notices, requestHandlers, type KernelVersions, type RequestParts } from "./requests";
import { Sockets } from "./sockets";
import { Wire, type Content, type Message, type Outgoing } from "./wire";

type Channel = "shell" | "control";

/** Parts that take time to load. */
interface Engine {
  readonly parts: RequestParts;
  readonly executions: ExecutionQueue;
  readonly compiler: CompilerClient;
  readonly cells: CellProcess;
}

export class Kernel {
  readonly #sockets: Sockets;
  readonly #engine: Engine;
  #closing = false;

  private constructor(sockets: Sockets, versions: KernelVersions) {
    this.#sockets = sockets;
    const publish = (message: Outgoing): void => this.#sockets.publish(message);
    const outputs = new OutputRouter(publish);
    const history = new History();
    const compiler = new CompilerClient();
    const cells = new CellProcess(outputs, () => void compiler.call("reset", {}));
    const busy = (message: Message, work: () => Promise<void>): Promise<void> => this.#busy(message, work);
    const executions = new ExecutionQueue({ compiler, cells, outputs, history, publish, busy });
    const interrupt = (): void => executions.interrupt();
    this.#engine = {
      parts: { compiler, cells, history, versions, interrupt, publish },
      executions,
      compiler,
      cells,
    };
  }

  /** Listens first, so that kernel_info is answered before anything heavy is loaded. */
  static async start(connection: ConnectionInfo, versions: KernelVersions): Promise<Kernel> {
    const sockets = new Sockets(new Wire(connection.key, connection.hash));
    await sockets.bind(connection);
    sockets.publish({ type: "status", parent: undefined, content: { execution_state: "starting" } });
    return new Kernel(sockets, versions);
  }

  /** Serves until a shutdown request has been answered. */
  async serve(): Promise<void> {
    await this.#sockets.serve((channel, message) => void this.#receive(channel, message));
  }

  /** Ends the worker with all it has started, and stops listening. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#engine.cells.close();
    await this.#engine.compiler.close();
    this.#sockets.close();
  }

  async #receive(channel: Channel, message: Message): Promise<void> {
    const type = message.header.msg_type;
    const reply = (content: Content): void =>
      this.#sockets.reply(channel, message, { type: replyType(type), parent: message.header, content });
    if (type === "execute_request") {
      this.#engine.executions.add(message, reply);
      return;
    }
    await this.#busy(message, async () => {
      const notice = notices[type];
      if (notice !== undefined) notice(message, this.#engine.parts);
      else if (type === "shutdown_request") reply({ status: "ok", restart: message.content["restart"] === true });
      else reply(await this.#answer(message));
    });
    if (type === "shutdown_request") await this.close();
  }

  async #answer(message: Message): Promise<Content> {
    const { msg_type: type } = message.header;
    const handler = requestHandlers[type];
    if (handler === undefined)
      return {
        status: "error",
        ename: "NotSupported",
        evalue: `${type} is not supported by this kernel`,
        traceback: [],
      };
    try {
      return await handler(message, this.#engine.parts);
    } catch (error) {
      // Never leave a request unanswered: clients wait for ever.
      const evalue = error instanceof Error ? error.message : String(error);
      return { status: "error", ename: error instanceof Error ? error.name : "Error", evalue, traceback: [evalue] };
    }
  }

  async #busy(message: Message, work: () => Promise<void>): Promise<void> {
    this.#status("busy", message);
    try {
      await work();
    } finally {
      this.#status("idle", message);
      // A question answered in the middle of a cell must not make the front end think that the cell has ended.
      const running = this.#engine.executions.current;
      if (running !== undefined && running !== message) this.#status("busy", running);
    }
  }

  #status(state: "busy" | "idle", { header }: Message): void {
    this.#sockets.publish({ type: "status", parent: header, content: { execution_state: state } });
  }
}

function replyType(requestType: string): string {
  return `${requestType.replace(/_request$/, "")}_reply`;
}
