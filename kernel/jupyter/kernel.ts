/**
 * The front of the kernel: owns the sockets, answers at all times, and has others do what takes time: a thread compiles
 * cells, a worker process runs them.
 */
import { reasonOf } from "../../profiler-ui/trace/errors";
import { CellProcess } from "./cell-process";
import { Comms, isCommType } from "./comms";
import { CompilerClient } from "./compiler-client";
import type { ConnectionInfo } from "./connection";
import { ExecutionQueue } from "./execution";
import { History } from "./history";
import { HistoryStore, historyFolder } from "./history-store";
import { OutputRouter } from "./output-router";
import { Questions } from "./questions";
import { requestHandlers, type KernelVersions, type RequestParts } from "./requests";
import { Sockets, type RequestChannel } from "./sockets";
import { Usage } from "./usage";
import { Wire, type Content, type Message, type Outgoing } from "./wire";

/** Parts that take time to load. */
interface Engine {
  readonly parts: RequestParts;
  readonly executions: ExecutionQueue;
  readonly compiler: CompilerClient;
  readonly cells: CellProcess;
  readonly outputs: OutputRouter;
  readonly comms: Comms;
  readonly questions: Questions;
}

export class Kernel {
  readonly #sockets: Sockets;
  readonly #engine: Engine;
  #closing = false;

  private constructor(sockets: Sockets, versions: KernelVersions) {
    this.#sockets = sockets;
    const publish = (message: Outgoing): void => this.#sockets.publish(message);
    const outputs = new OutputRouter(publish);
    const history = new History(new HistoryStore(historyFolder(process.env)));
    const compiler = new CompilerClient();
    const comms = new Comms(publish);
    const questions = new Questions((to, message) => this.#sockets.reply("stdin", to, message));
    const cells = new CellProcess(outputs, {
      onLost: () => {
        comms.closeAll();
        compiler.reset(""); // the variables are gone
      },
      onComm: (run, comm) => {
        outputs.flush();
        comms.outgoing(comm, outputs.parentOf(run));
      },
    });
    const busy = (message: Message, work: () => Promise<void>): Promise<void> => this.#busy(message, work);
    const executions = new ExecutionQueue({
      compiler,
      cells,
      outputs,
      history,
      publish,
      busy: async (message, work) => {
        await busy(message, work);
        questions.forget(message);
      },
      ask: (request, prompt, password) => questions.ask(request, prompt, password),
    });
    const interrupt = (): void => executions.interrupt();
    this.#engine = {
      parts: { compiler, cells, comms, history, usage: new Usage(), versions, interrupt },
      executions,
      compiler,
      cells,
      outputs,
      comms,
      questions,
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

  async #receive(channel: RequestChannel, message: Message): Promise<void> {
    const type = message.header.msg_type;
    if (channel === "stdin") {
      if (type === "input_reply") this.#engine.questions.answer(message);
      return;
    }
    const reply = (content: Content, metadata: Content = {}): void =>
      this.#sockets.reply(channel, message, { type: replyType(type), parent: message.header, content, metadata });
    if (type === "execute_request") {
      this.#engine.executions.add(message, reply);
      return;
    }
    await this.#busy(message, async () => {
      if (isCommType(type)) await this.#comm(message);
      else if (type === "shutdown_request") reply({ status: "ok", restart: message.content["restart"] === true });
      else reply(await this.#answer(message));
    });
    if (type === "shutdown_request") await this.close();
  }

  /** A message that has no reply; what its listeners print belongs to it. */
  async #comm(message: Message): Promise<void> {
    const { outputs, comms, cells } = this.#engine;
    const run = outputs.begin({ parent: message.header, silent: false, executionCount: 0 });
    await cells.comm(run, comms.incoming(message));
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
      const evalue = reasonOf(error);
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
