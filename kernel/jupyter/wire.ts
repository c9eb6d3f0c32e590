/**
 * Jupyter's wire protocol: messages as ZeroMQ frames, signed, with a guard against replays.
 *
 * Source: "Messaging in Jupyter", section "The wire protocol" (jupyter-client.readthedocs.io), version 5.5.
 */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";

export const PROTOCOL_VERSION = "5.5";

export interface Header {
  readonly msg_id: string;
  readonly msg_type: string;
  readonly session: string;
  readonly username: string;
  readonly date: string;
  readonly version: string;
}

export type Content = Readonly<Record<string, unknown>>;

export interface Message {
  /** Where a reply goes; on iopub the topic. */
  readonly identities: readonly Buffer[];
  readonly header: Header;
  readonly parent: Header | undefined;
  readonly metadata: Content;
  readonly content: Content;
  readonly buffers: readonly Buffer[];
}

export interface Outgoing {
  readonly type: string;
  readonly parent: Header | undefined;
  readonly content: Content;
  readonly metadata?: Content;
  readonly buffers?: readonly Buffer[];
}

const DELIMITER = Buffer.from("<IDS|MSG>");
/** Signatures that are remembered to refuse a second use. */
const REMEMBERED_SIGNATURES = 65536;

export class Wire {
  readonly session: string = randomUUID();
  readonly #key: string;
  readonly #hash: string;
  readonly #seen = new Set<string>();
  #sent = 0;

  /** @param key Empty: neither signs nor verifies. */
  constructor(key: string, hash: string) {
    this.#key = key;
    this.#hash = hash;
  }

  encode(identities: readonly (Buffer | string)[], message: Outgoing): (Buffer | string)[] {
    const header: Header = {
      msg_id: `${this.session}_${this.#sent++}`,
      msg_type: message.type,
      session: this.session,
      username: "kernel",
      date: new Date().toISOString(),
      version: PROTOCOL_VERSION,
    };
    const parts = [header, message.parent ?? {}, message.metadata ?? {}, message.content].map((part) =>
      JSON.stringify(part),
    );
    return [...identities, DELIMITER, this.#sign(parts), ...parts, ...(message.buffers ?? [])];
  }

  /** The message, or undefined for anything that is malformed, wrongly signed or came before: not a word is said. */
  decode(frames: readonly Buffer[]): Message | undefined {
    const delimiter = frames.findIndex((frame) => frame.equals(DELIMITER));
    const [signature, ...rest] = frames.slice(delimiter + 1);
    if (delimiter === -1 || signature === undefined || rest.length < 4) return undefined;
    const parts = rest.slice(0, 4);
    if (!this.#accept(signature, parts)) return undefined;
    const [header, parent, metadata, content] = parts.map(parseObject);
    if (header === undefined || metadata === undefined || content === undefined || parent === undefined)
      return undefined;
    if (typeof header["msg_type"] !== "string" || typeof header["msg_id"] !== "string") return undefined;
    return {
      identities: frames.slice(0, delimiter),
      header: header as unknown as Header,
      parent: "msg_id" in parent ? (parent as unknown as Header) : undefined,
      metadata,
      content,
      buffers: rest.slice(4),
    };
  }

  #sign(parts: readonly (string | Buffer)[]): string {
    if (this.#key === "") return "";
    const hmac = createHmac(this.#hash, this.#key);
    for (const part of parts) hmac.update(part);
    return hmac.digest("hex");
  }

  #accept(signature: Buffer, parts: readonly Buffer[]): boolean {
    if (this.#key === "") return true;
    const expected = Buffer.from(this.#sign(parts));
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return false;
    const text = expected.toString();
    if (this.#seen.has(text)) return false;
    this.#seen.add(text);
    if (this.#seen.size > REMEMBERED_SIGNATURES) for (const oldest of this.#seen) return this.#seen.delete(oldest);
    return true;
  }
}

function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // not JSON: dropped like any other malformed message
  }
}
