/** Spans of another tool's trace as they are read: columns that grow, texts as numbers. */

import { RunError } from "../errors";
import { MOST_LANES } from "../lanes";

/** Spans of one import at most. */
export const MOST_SPANS = 5_000_000;

/** A span as it is found. `owner`, its process or device, and `thread` are any texts that tell them apart. */
export interface ForeignSpan {
  /** Of a device, of the host, or of a trace that does not say. */
  readonly side: Side;
  readonly owner: string;
  readonly thread: string;
  readonly startNs: number;
  readonly durNs: number;
  readonly name: string;
  readonly kind: string;
  readonly phase?: string;
  readonly step?: number;
  readonly layer?: number;
  readonly tokens?: number;
  readonly flops?: number;
  readonly bytes?: number;
  readonly wireBytes?: number;
  readonly wireType?: string;
  readonly algorithm?: string;
  /** Name of the communicator. */
  readonly group?: string;
  readonly seq?: number;
}

export type Side = "device" | "host" | "other";

/** Texts in order of appearance. */
export class Texts {
  readonly list: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.list.push(text) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }
}

const DOUBLES = ["startNs", "durNs", "flops", "bytes", "wireBytes", "seq"] as const;
const WORDS = ["step", "layer", "tokens", "name", "kind", "phase", "wireType", "algorithm", "group", "lane"] as const;

type Doubles = Record<(typeof DOUBLES)[number], Float64Array>;
type Words = Record<(typeof WORDS)[number], Int32Array>;

/** Where spans lie: a thread of its owner. */
export interface Lane {
  readonly side: Side;
  readonly owner: string;
  readonly thread: string;
}

export class SpanTable {
  count = 0;
  readonly lanes: Lane[] = [];
  readonly texts: Readonly<Record<"name" | "kind" | "phase" | "wireType" | "algorithm" | "group", Texts>> = {
    name: new Texts(),
    kind: new Texts(),
    phase: new Texts(),
    wireType: new Texts(),
    algorithm: new Texts(),
    group: new Texts(),
  };
  #room = 1024;
  #doubles = Object.fromEntries(DOUBLES.map((column) => [column, new Float64Array(this.#room)])) as Doubles;
  #words = Object.fromEntries(WORDS.map((column) => [column, new Int32Array(this.#room)])) as Words;
  readonly #laneNumbers = new Map<string, number>();

  /** @throws RunError `E_IMPORT_TOO_LARGE` */
  add(span: ForeignSpan): void {
    if (this.count === MOST_SPANS) {
      const message = `the trace has more than ${MOST_SPANS} spans, which is the most that is imported; record fewer steps`;
      throw new RunError("E_IMPORT_TOO_LARGE", message, { spans: MOST_SPANS });
    }
    if (this.count === this.#room) this.#grow();
    const i = this.count++;
    const { texts } = this;
    const [doubles, words] = [this.#doubles, this.#words];
    doubles.startNs[i] = span.startNs;
    doubles.durNs[i] = span.durNs;
    doubles.flops[i] = span.flops ?? 0;
    doubles.bytes[i] = span.bytes ?? 0;
    doubles.wireBytes[i] = span.wireBytes ?? 0;
    doubles.seq[i] = span.seq ?? -1;
    words.step[i] = span.step ?? -1;
    words.layer[i] = span.layer ?? -1;
    words.tokens[i] = span.tokens ?? 0;
    words.name[i] = texts.name.numberOf(span.name);
    words.kind[i] = texts.kind.numberOf(span.kind);
    words.phase[i] = texts.phase.numberOf(span.phase ?? "");
    words.wireType[i] = texts.wireType.numberOf(span.wireType ?? "");
    words.algorithm[i] = texts.algorithm.numberOf(span.algorithm ?? "");
    words.group[i] = span.group === undefined ? -1 : texts.group.numberOf(span.group);
    words.lane[i] = this.#laneOf(span);
  }

  double(column: (typeof DOUBLES)[number]): Float64Array {
    return this.#doubles[column].subarray(0, this.count);
  }

  word(column: (typeof WORDS)[number]): Int32Array {
    return this.#words[column].subarray(0, this.count);
  }

  #laneOf({ side, owner, thread }: ForeignSpan): number {
    const key = `${side}\n${owner}\n${thread}`;
    let number = this.#laneNumbers.get(key);
    if (number === undefined) {
      if (this.lanes.length === MOST_LANES) {
        const message = `the trace has more than ${MOST_LANES} threads and streams, which is the most that is drawn`;
        throw new RunError("E_IMPORT_TOO_LARGE", message, { lanes: MOST_LANES });
      }
      number = this.lanes.push({ side, owner, thread }) - 1;
      this.#laneNumbers.set(key, number);
    }
    return number;
  }

  #grow(): void {
    this.#room *= 2;
    for (const column of DOUBLES) {
      const wider = new Float64Array(this.#room);
      wider.set(this.#doubles[column]);
      this.#doubles[column] = wider;
    }
    for (const column of WORDS) {
      const wider = new Int32Array(this.#room);
      wider.set(this.#words[column]);
      this.#words[column] = wider;
    }
  }
}
