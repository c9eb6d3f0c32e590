/**
 * A Chrome trace apart into its events while it is read, so that a file of any size needs no more memory than one event:
 * `{"traceEvents": [event, …], …}` or the bare array `[event, …`.
 */

import { reasonOf, RunError } from "../errors";

export type Json = Readonly<Record<string, unknown>>;

/** The longest event, and all the rest of the file, in bytes. */
const LONGEST = { event: 1 << 20, rest: 16 << 20 };

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN = 123;
const CLOSE = 125;

export class TraceJsonStream {
  readonly #onEvent: (event: Json) => void;
  readonly #decoder = new TextDecoder("utf-8", { fatal: false });
  /** Begin of the event, or of the rest, that goes on in the next piece. */
  #event: Uint8Array[] = [];
  #rest: Uint8Array[] = [];
  #sizes = { event: 0, rest: 0 };
  #depth = 0;
  /** Depth at which events stand; 0 outside their list. */
  #events = 0;
  #inEvent = false;
  #inText = false;
  #escaped = false;
  #root = 0;
  /** The text read last at depth 1, which is a key where a value follows. */
  #key: number[] = [];

  constructor(onEvent: (event: Json) => void) {
    this.#onEvent = onEvent;
  }

  /** @throws RunError `E_IMPORT_INVALID` */
  push(bytes: Uint8Array): void {
    let from = 0;
    const keep = (to: number): void => {
      if (this.#inEvent) this.#keep("event", bytes.subarray(from, to));
      else if (this.#events === 0) this.#keep("rest", bytes.subarray(from, to));
      from = to;
    };
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0;
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inText = false;
        else if (this.#depth === 1 && this.#key.length < 16) this.#key.push(byte);
        continue;
      }
      if (byte === QUOTE) {
        this.#inText = true;
        if (this.#depth === 1) this.#key = [];
      } else if (byte === OPEN || byte === OPEN_LIST) {
        this.#depth++;
        if (this.#depth === 1) this.#root = byte;
        if (this.#events > 0 && !this.#inEvent && byte === OPEN) {
          from = i;
          this.#inEvent = true;
        } else if (this.#events === 0 && this.#opensEvents(byte)) {
          keep(i + 1);
          this.#events = this.#depth;
        }
      } else if (byte === CLOSE || byte === CLOSE_LIST) {
        this.#depth--;
        if (this.#inEvent && this.#depth === this.#events) {
          keep(i + 1);
          this.#inEvent = false;
          this.#finishEvent();
        } else if (this.#events > 0 && this.#depth < this.#events) {
          this.#events = 0;
          from = i;
        }
      }
    }
    keep(bytes.length);
  }

  /** What stands beside the events, as text. @throws RunError `E_IMPORT_INVALID` */
  end(): string {
    // A bare list may lack its end: the writer was killed.
    if (this.#root === OPEN_LIST) return "{}";
    if (this.#root !== OPEN) throw invalid("it is not JSON");
    if (this.#depth > 0) throw invalid("it ends in the middle");
    return this.#text(this.#rest);
  }

  #opensEvents(byte: number): boolean {
    if (byte !== OPEN_LIST) return false;
    if (this.#depth === 1) return true;
    return this.#depth === 2 && this.#root === OPEN && String.fromCharCode(...this.#key) === "traceEvents";
  }

  #keep(what: "event" | "rest", bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#sizes[what] += bytes.length;
    if (this.#sizes[what] > LONGEST[what])
      throw invalid(`${what === "event" ? "an event" : "what is no event"} is longer than ${LONGEST[what] >> 20} MiB`);
    (what === "event" ? this.#event : this.#rest).push(bytes.slice());
  }

  #finishEvent(): void {
    const event = parsed(this.#text(this.#event));
    this.#event = [];
    this.#sizes.event = 0;
    this.#onEvent(event);
  }

  #text(pieces: readonly Uint8Array[]): string {
    const [only] = pieces;
    if (only && pieces.length === 1) return this.#decoder.decode(only);
    const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return this.#decoder.decode(whole);
  }
}

/** @throws RunError `E_IMPORT_INVALID` unless `text` is a JSON object */
export function parsed(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`${reasonOf(error)} in ${JSON.stringify(text.slice(0, 60))}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw invalid(`${JSON.stringify(text.slice(0, 60))} is no object`);
}

export function invalid(reason: string): RunError {
  return new RunError("E_IMPORT_INVALID", `this is no trace that can be imported: ${reason}`, { reason });
}
