/**
 * Events as bytes: what the server sends and the page maps without copying.
 *
 *     0  "SLEV"          magic
 *     4  uint32          version of this layout
 *     8  uint32          length of the header in bytes
 *    12  header          UTF-8 JSON: { count, widths: { durNs: "u32", … }, texts: { name: [...], … } }, padded with spaces
 *                        to a multiple of 8
 *     …  columns         in the order of NUMBER_COLUMNS and TEXT_COLUMNS, little endian, each padded with zeros to a multiple of 8
 */

import { RunError } from "./errors";
import type { EventColumns, Numbers, TextColumn } from "./events";
import { narrowed, widthOf, WIDTHS, type Width } from "./widths";

const MAGIC = 0x56454c53; // "SLEV" read as a little-endian uint32
const VERSION = 2;
const PREFIX = 12;

/** Columns of numbers, in the order in which they are written. */
export type NumberColumn = Exclude<keyof EventColumns, "count" | TextColumnName>;

/** Columns of texts, written after them as one byte a row. */
export type TextColumnName = "name" | "kind" | "phase" | "wireType" | "algorithm";

/** As wide as a run on disk has them. */
const BYTES: Readonly<Record<NumberColumn, number>> = {
  startNs: 8,
  durNs: 8,
  flops: 8,
  bytes: 8,
  wireBytes: 8,
  seq: 8,
  step: 4,
  tokens: 4,
  sequences: 4,
  cell: 4,
  request: 4,
  layer: 2,
  group: 2,
  rank: 2,
  stream: 2,
};

export const NUMBER_COLUMNS: readonly NumberColumn[] = Object.keys(BYTES) as NumberColumn[];

export const TEXT_COLUMNS: readonly TextColumnName[] = ["name", "kind", "phase", "wireType", "algorithm"];

/** Bytes of one event of a run that was read, less is sent of most. */
export const BYTES_PER_EVENT: number = Object.values(BYTES).reduce((sum, bytes) => sum + bytes, TEXT_COLUMNS.length);

interface Header {
  readonly count: number;
  readonly widths: Readonly<Record<string, unknown>>;
  readonly texts: Readonly<Record<string, readonly string[]>>;
}

const aligned = (length: number): number => (length + 7) & ~7;

/** @example decodeEvents(encodeEvents(events).buffer).count === events.count */
export function encodeEvents(events: EventColumns): Uint8Array<ArrayBuffer> {
  const texts = Object.fromEntries(TEXT_COLUMNS.map((column) => [column, events[column].texts]));
  // What is drawn is searched by start time, for which one type is quickest.
  const numbers = NUMBER_COLUMNS.map((column) => (column === "startNs" ? events.startNs : narrowed(events[column])));
  const widths = Object.fromEntries(NUMBER_COLUMNS.map((column, k) => [column, widthOf(numbers[k] ?? events[column])]));
  const json = new TextEncoder().encode(JSON.stringify({ count: events.count, widths, texts }));
  const headerLength = aligned(PREFIX + json.length) - PREFIX;
  const columns = [...numbers, ...TEXT_COLUMNS.map((column) => events[column].codes)];
  const length = columns.reduce((sum, column) => sum + aligned(column.byteLength), PREFIX + headerLength);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, headerLength, true);
  bytes.fill(0x20, PREFIX, PREFIX + headerLength);
  bytes.set(json, PREFIX);
  let offset = PREFIX + headerLength;
  for (const column of columns) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), offset);
    offset += aligned(column.byteLength);
  }
  return bytes;
}

/**
 * Views into `buffer`; nothing is copied.
 *
 * @throws RunError `E_EVENTS_MALFORMED` when the bytes are not what `encodeEvents` writes.
 */
export function decodeEvents(buffer: ArrayBuffer): EventColumns {
  const { header, offset: begin } = readHeader(buffer);
  const { count } = header;
  let offset = begin;
  const take = (bytesPerElement: number): number => {
    const at = offset;
    offset += aligned(count * bytesPerElement);
    if (offset > buffer.byteLength) malformed(`columns end at byte ${offset} of ${buffer.byteLength}`);
    return at;
  };
  const floats = (): Float64Array => new Float64Array(buffer, take(8), count);
  const numbers = (column: NumberColumn): Numbers => {
    const width = header.widths[column];
    if (!isWidth(width)) return malformed(`a width ${JSON.stringify(width)} of ${column}`);
    return new WIDTHS[width](buffer, take(WIDTHS[width].BYTES_PER_ELEMENT), count);
  };
  const text = (column: TextColumnName): TextColumn => {
    const texts = header.texts[column];
    if (!Array.isArray(texts)) return malformed(`no texts of ${column}`);
    const codes = new Uint8Array(buffer, take(1), count);
    for (const code of codes)
      if (code >= texts.length) malformed(`code ${code} of ${column}, which has ${texts.length} texts`);
    return { texts: texts.map(String), codes };
  };
  // In the order of NUMBER_COLUMNS, then of TEXT_COLUMNS.
  return {
    count,
    startNs: floats(),
    durNs: numbers("durNs"),
    flops: numbers("flops"),
    bytes: numbers("bytes"),
    wireBytes: numbers("wireBytes"),
    seq: numbers("seq"),
    step: numbers("step"),
    tokens: numbers("tokens"),
    sequences: numbers("sequences"),
    cell: numbers("cell"),
    request: numbers("request"),
    layer: numbers("layer"),
    group: numbers("group"),
    rank: numbers("rank"),
    stream: numbers("stream"),
    name: text("name"),
    kind: text("kind"),
    phase: text("phase"),
    wireType: text("wireType"),
    algorithm: text("algorithm"),
  };
}

function readHeader(buffer: ArrayBuffer): { header: Header; offset: number } {
  if (buffer.byteLength < PREFIX) malformed(`${buffer.byteLength} bytes are too few`);
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== MAGIC) malformed("the first four bytes are not SLEV");
  const version = view.getUint32(4, true);
  if (version !== VERSION) malformed(`version ${version}; this reader knows ${VERSION}`);
  const length = view.getUint32(8, true);
  if (PREFIX + length > buffer.byteLength || (PREFIX + length) % 8 !== 0) malformed(`a header of ${length} bytes`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, PREFIX, length)));
  } catch (cause) {
    malformed("a header that is not JSON", cause);
  }
  if (!isHeader(header)) return malformed("a header without count, widths and texts");
  return { header, offset: PREFIX + length };
}

function isHeader(value: unknown): value is Header {
  if (typeof value !== "object" || value === null) return false;
  const { count, widths, texts } = value as Partial<Record<keyof Header, unknown>>;
  return Number.isSafeInteger(count) && Number(count) >= 0 && isRecord(widths) && isRecord(texts);
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function isWidth(name: unknown): name is Width {
  return typeof name === "string" && Object.hasOwn(WIDTHS, name);
}

function malformed(what: string, cause?: unknown): never {
  throw new RunError(
    "E_EVENTS_MALFORMED",
    `These are not events as Stateline sends them: ${what}.`,
    { what },
    { cause },
  );
}
