/**
 * Events as bytes: what the server sends and the page maps without copying.
 *
 *     0  "SLEV"          magic
 *     4  uint32          version of this layout
 *     8  uint32          length of the header in bytes
 *    12  header          UTF-8 JSON: { count, texts: { name: [...], … } }, padded with spaces to a multiple of 8
 *     …  columns         in the order of NUMBER_COLUMNS and TEXT_COLUMNS, little endian, each padded with zeros to a multiple of 8
 */

import { RunError } from "./errors";
import type { EventColumns, TextColumn } from "./events";

const MAGIC = 0x56454c53; // "SLEV" read as a little-endian uint32
const VERSION = 1;
const PREFIX = 12;

/** Columns of numbers, in the order in which they are written. */
export type NumberColumn = Exclude<keyof EventColumns, "count" | TextColumnName>;

/** Columns of texts, written after them as one byte a row. */
export type TextColumnName = "name" | "kind" | "phase" | "wireType" | "algorithm";

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

/** Bytes of one event, without padding. */
export const BYTES_PER_EVENT: number = Object.values(BYTES).reduce((sum, bytes) => sum + bytes, TEXT_COLUMNS.length);

interface Header {
  readonly count: number;
  readonly texts: Readonly<Record<string, readonly string[]>>;
}

const aligned = (length: number): number => (length + 7) & ~7;

/** @example decodeEvents(encodeEvents(events).buffer).count === events.count */
export function encodeEvents(events: EventColumns): Uint8Array<ArrayBuffer> {
  const texts = Object.fromEntries(TEXT_COLUMNS.map((column) => [column, events[column].texts]));
  const json = new TextEncoder().encode(JSON.stringify({ count: events.count, texts }));
  const headerLength = aligned(PREFIX + json.length) - PREFIX;
  const columns = [
    ...NUMBER_COLUMNS.map((column) => events[column]),
    ...TEXT_COLUMNS.map((column) => events[column].codes),
  ];
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
  const integers = (): Int32Array => new Int32Array(buffer, take(4), count);
  const short = (): Int16Array => new Int16Array(buffer, take(2), count);
  const unsigned = (): Uint16Array => new Uint16Array(buffer, take(2), count);
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
    durNs: floats(),
    flops: floats(),
    bytes: floats(),
    wireBytes: floats(),
    seq: floats(),
    step: integers(),
    tokens: integers(),
    sequences: integers(),
    cell: integers(),
    request: integers(),
    layer: short(),
    group: short(),
    rank: unsigned(),
    stream: unsigned(),
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
  if (!isHeader(header)) return malformed("a header without count and texts");
  return { header, offset: PREFIX + length };
}

function isHeader(value: unknown): value is Header {
  if (typeof value !== "object" || value === null) return false;
  const { count, texts } = value as Partial<Record<keyof Header, unknown>>;
  return Number.isSafeInteger(count) && Number(count) >= 0 && typeof texts === "object" && texts !== null;
}

function malformed(what: string, cause?: unknown): never {
  throw new RunError(
    "E_EVENTS_MALFORMED",
    `These are not events as Stateline sends them: ${what}.`,
    { what },
    { cause },
  );
}
