/** The five sockets of a kernel. */
import { Reply, Router, XPublisher } from "zeromq";
import { reasonOf } from "../../profiler-ui/trace/errors";
import { address, KernelError, type Channel, type ConnectionInfo } from "./connection";
import type { Message, Outgoing, Wire } from "./wire";

/**
 * Without limits and without waiting: with the defaults a burst of more than 512 messages in one turn of the event loop loses
 * the rest, the idle status with it (zeromq.js issues 381, 406, 426 and 427).
 */
const unlimited = { sendHighWaterMark: 0, sendTimeout: 0 } as const;

/** Channels on which clients speak to the kernel. */
export type RequestChannel = "shell" | "control" | "stdin";

export class Sockets {
  readonly #wire: Wire;
  readonly #shell = new Router(unlimited);
  readonly #control = new Router(unlimited);
  readonly #stdin = new Router(unlimited);
  readonly #iopub = new XPublisher({ ...unlimited, verbosity: "allSubs" });
  readonly #heartbeat = new Reply();

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** @throws KernelError `E_PORT_IN_USE` when an address cannot be bound. */
  async bind(connection: ConnectionInfo): Promise<void> {
    const bind = async (channel: Channel, socket: { bind(address: string): Promise<void> }): Promise<void> => {
      const where = address(connection, channel);
      await socket.bind(where).catch((error: unknown) => {
        throw new KernelError("E_PORT_IN_USE", `${channel} cannot listen on ${where}: ${reasonOf(error)}`, {
          channel,
          address: where,
        });
      });
    };
    await Promise.all([
      bind("shell", this.#shell),
      bind("control", this.#control),
      bind("stdin", this.#stdin),
      bind("iopub", this.#iopub),
      bind("hb", this.#heartbeat),
    ]);
  }

  /** Receives until the sockets are closed. */
  async serve(onRequest: (channel: RequestChannel, message: Message) => void): Promise<void> {
    const receive = async (channel: RequestChannel, socket: Router): Promise<void> => {
      for await (const frames of socket) {
        const message = this.#wire.decode(frames);
        if (message !== undefined) onRequest(channel, message);
      }
    };
    await Promise.all([
      receive("shell", this.#shell),
      receive("control", this.#control),
      receive("stdin", this.#stdin),
      this.#welcome(),
      this.#beat(),
    ]);
  }

  publish(message: Outgoing): void {
    this.#send(this.#iopub, this.#wire.encode([`kernel.${this.#wire.session}.${message.type}`], message));
  }

  /** To the client that sent `to`: it has the same identity on all channels. */
  reply(channel: RequestChannel, to: Message, message: Outgoing): void {
    const sockets = { shell: this.#shell, control: this.#control, stdin: this.#stdin };
    this.#send(sockets[channel], this.#wire.encode(to.identities, message));
  }

  close(): void {
    for (const socket of [this.#shell, this.#control, this.#stdin, this.#iopub, this.#heartbeat]) socket.close();
  }

  /** Tells each new subscriber that it will miss nothing from now on (Jupyter enhancement proposal 65). */
  async #welcome(): Promise<void> {
    const SUBSCRIBE = 1;
    for await (const [frame] of this.#iopub) {
      if (frame?.[0] !== SUBSCRIBE) continue;
      const subscription = frame.toString("utf8", 1);
      const message = { type: "iopub_welcome", parent: undefined, content: { subscription } };
      this.#send(this.#iopub, this.#wire.encode([subscription], message));
    }
  }

  async #beat(): Promise<void> {
    for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
  }

  #send(socket: Router | XPublisher, frames: (Buffer | string)[]): void {
    // A peer that has gone away is no error of ours; a socket that is being closed neither.
    socket.send(frames).catch((error: unknown) => {
      if (!socket.closed) process.stderr.write(`kernel: message not sent: ${String(error)}\n`);
    });
  }
}
