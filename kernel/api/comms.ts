/** Comms: messages between cells and the notebook's page, beside what a cell shows. Widgets are made of them. */

import { randomUUID } from "node:crypto";

import { cellHost } from "./display";
import { StatelineError } from "./errors";

/** What one end of a comm tells the other. */
export interface CommMessage {
  readonly kind: "open" | "message" | "close";
  readonly id: string;
  /** Of "open": what is to be made at the other end. */
  readonly target?: string;
  readonly data: CommData;
  readonly metadata: CommData;
  readonly buffers: readonly Uint8Array[];
}

export type CommData = Readonly<Record<string, unknown>>;

export interface CommContent {
  readonly metadata?: CommData;
  /** Bytes that travel as they are. */
  readonly buffers?: readonly Uint8Array[];
}

type Listener = (data: CommData, message: CommMessage) => void;

const open = new Map<string, Comm>();
const targets = new Map<string, (comm: Comm, message: CommMessage) => void>();

/** One conversation with the notebook's page. Made by `openComm`, or handed to a target that the page opens. */
export class Comm {
  /** Called with what the page sends. */
  onMessage: Listener | undefined;
  /** Called when the page closes the comm. */
  onClose: Listener | undefined;

  constructor(
    readonly target: string,
    readonly id: string,
  ) {
    open.set(id, this);
  }

  get closed(): boolean {
    return open.get(this.id) !== this;
  }

  /** @throws StatelineError `E_COMM_CLOSED` */
  send(data: CommData, content: CommContent = {}): void {
    if (this.closed)
      throw new StatelineError("E_COMM_CLOSED", `comm ${this.id} (${this.target}) is closed; open another`, {
        id: this.id,
        target: this.target,
      });
    post({ kind: "message", id: this.id, data, ...complete(content) });
  }

  /** Ends the conversation; the page hears of it. */
  close(data: CommData = {}): void {
    if (this.closed) return;
    open.delete(this.id);
    post({ kind: "close", id: this.id, data, ...complete({}) });
  }
}

/**
 * Opens a comm to a target that the page has registered.
 *
 * @throws StatelineError `E_NO_NOTEBOOK` outside a notebook's cell
 */
export function openComm(target: string, data: CommData = {}, content: CommContent = {}): Comm {
  const comm = new Comm(target, randomUUID());
  post({ kind: "open", id: comm.id, target, data, ...complete(content) });
  return comm;
}

/** Says what happens when the page opens a comm to `target`. */
export function registerCommTarget(target: string, onOpen: (comm: Comm, message: CommMessage) => void): void {
  targets.set(target, onOpen);
}

/** Takes a message from the page; the kernel calls it, in a context of its own. */
export function receiveComm(message: CommMessage): void {
  if (message.kind === "open") {
    const target = message.target ?? "";
    const onOpen = targets.get(target);
    const comm = new Comm(target, message.id);
    // Nobody here answers to that name: closed at once, as the protocol asks.
    if (onOpen === undefined) comm.close();
    else onOpen(comm, message);
    return;
  }
  const comm = open.get(message.id);
  if (message.kind === "close") open.delete(message.id);
  (message.kind === "close" ? comm?.onClose : comm?.onMessage)?.(message.data, message);
}

function post(message: CommMessage): void {
  const host = cellHost();
  if (host === undefined)
    throw new StatelineError("E_NO_NOTEBOOK", "comms work in a notebook's cell only: there is no page to talk to", {});
  host.sendComm(message);
}

function complete({ metadata = {}, buffers = [] }: CommContent): Required<CommContent> {
  return { metadata, buffers };
}
