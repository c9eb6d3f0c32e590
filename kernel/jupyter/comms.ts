/** Comms as the front sees them: which are open, and their messages on the way between page and worker. */
import type { CommFrame } from "../worker/messages";
import type { Content, Header, Message, Outgoing } from "./wire";

const KINDS = { comm_open: "open", comm_msg: "message", comm_close: "close" } as const;
const TYPES = { open: "comm_open", message: "comm_msg", close: "comm_close" } as const;

export type CommType = keyof typeof KINDS;

export const isCommType = (type: string): type is CommType => type in KINDS;

export class Comms {
  readonly #publish: (message: Outgoing) => void;
  /** Targets by comm id. */
  readonly #open = new Map<string, string>();

  constructor(publish: (message: Outgoing) => void) {
    this.#publish = publish;
  }

  /** A message from the page, as the worker takes it. */
  incoming({ header, content, metadata, buffers }: Message): CommFrame {
    const kind = KINDS[header.msg_type as CommType];
    const id = textOf(content["comm_id"]);
    const target = textOf(content["target_name"]);
    this.#note(kind, id, target);
    return {
      kind,
      id,
      data: (content["data"] ?? {}) as Content,
      metadata,
      buffers: buffers.map((bytes) => bytes.toString("base64")),
      ...(kind === "open" ? { target } : {}),
    };
  }

  /** A message from the worker, to the page. */
  outgoing({ kind, id, target = "", data, metadata, buffers }: CommFrame, parent: Header | undefined): void {
    this.#note(kind, id, target);
    this.#publish({
      type: TYPES[kind],
      parent,
      content: { comm_id: id, data, ...(kind === "open" ? { target_name: target } : {}) },
      metadata,
      buffers: buffers.map((text) => Buffer.from(text, "base64")),
    });
  }

  /** The content of comm_info_reply. */
  info(request: Content): Content {
    const wanted = request["target_name"];
    const open = [...this.#open].filter(([, target]) => typeof wanted !== "string" || wanted === target);
    return { status: "ok", comms: Object.fromEntries(open.map(([id, target]) => [id, { target_name: target }])) };
  }

  /** The worker is gone, and its end of every comm with it. */
  closeAll(): void {
    for (const id of this.#open.keys())
      this.outgoing({ kind: "close", id, data: {}, metadata: {}, buffers: [] }, undefined);
  }

  #note(kind: CommFrame["kind"], id: string, target: string): void {
    if (kind === "open") this.#open.set(id, target);
    else if (kind === "close") this.#open.delete(id);
  }
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
