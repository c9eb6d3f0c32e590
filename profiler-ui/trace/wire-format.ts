/**
 * Events as bytes: what the server sends and the page maps without copying.
 *
 *     0  "SLEV"          magic
 *     4  uint32          version of this layout
 *     8  uint32          length of the header in bytes
 *    12  header          UTF-8 JSON: { count, widths: { durNs: "u32", … }, texts: { name: [...], … } }, padded with spaces
 *                        to a multiple of 8
 *     …  columns         in the order of NUMBER_COLUMNS and TEXT_COLUMNS, of marks then MARK_COLUMNS: little endian, each padded
 *                        with zeros to a multiple of 8
 */

import { RunError } from "./errors";
import { columnsOf, NUMBER_COLUMNS, TEXT_COLUMNS, type NumberColumn, type TextColumnName } from "./columns";
import type { EventColumns, Numbers, TextColumn } from "./events";
import { MARK_COLUMNS, type MarkColumns, type Marks } from "./marks";
import { narrowed, widthOf, WIDTHS, type Width } from "./widths";

const MAGIC = 0x56454c53; // "SLEV" read as a little-endian uint32
const VERSION = 2;
const PREFIX = 12;

interface Header {
  readonly count: number;
  readonly widths: Readonly<Record<string, unknown>>;
  readonly texts: Readonly<Record<string, readonly string[]>>;
}

const aligned = (length: number): number => (length + 7) & ~7;

/** What is drawn is searched by time, for which one type is quickest. */
const TIMES: readonly string[] = ["startNs", "fromNs", "toNs"] satisfies (NumberColumn | keyof MarkColumns)[];

/** @example decodeEvents(encodeEvents(events).buffer).count === events.count */
export function encodeEvents(events: EventColumns): Uint8Array<ArrayBuffer> {
  return encode(events, []);
}

/** Events and what they stand for. */
export function encodeMarks({ events, marks }: Marks): Uint8Array<ArrayBuffer> {
  return encode(
    events,
    MARK_COLUMNS.map((column) => [column, marks[column]]),
  );
}

function encode(events: EventColumns, marks: readonly (readonly [string, Numbers])[]): Uint8Array<ArrayBuffer> {
  const texts = Object.fromEntries(TEXT_COLUMNS.map((column) => [column, events[column].texts]));
  const narrow = ([name, column]: readonly [string, Numbers]): readonly [string, Numbers] => [
    name,
    TIMES.includes(name) ? column : narrowed(column),
  ];
  const numbers = NUMBER_COLUMNS.map((name) => narrow([name, events[name]]));
  const marked = marks.map(narrow);
  const widths = Object.fromEntries([...numbers, ...marked].map(([name, column]) => [name, widthOf(column)]));
  const json = new TextEncoder().encode(JSON.stringify({ count: events.count, widths, texts }));
  const headerLength = aligned(PREFIX + json.length) - PREFIX;
  const columns = [
    ...numbers.map(([, column]) => column),
    ...TEXT_COLUMNS.map((column) => events[column].codes),
    ...marked.map(([, column]) => column),
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
  return readEvents(buffer).events;
}

/**
 * The same of events and what they stand for.
 *
 * @throws RunError `E_EVENTS_MALFORMED` when the bytes are not what `encodeMarks` writes.
 */
export function decodeMarks(buffer: ArrayBuffer): Marks {
  const { events, numbers } = readEvents(buffer);
  const times = (column: "fromNs" | "toNs"): Float64Array => {
    const read = numbers(column);
    return read instanceof Float64Array ? read : malformed(`${column} in ${widthOf(read)}`);
  };
  // In the order of MARK_COLUMNS.
  const depth = numbers("depth");
  const [fromNs, toNs] = [times("fromNs"), times("toNs")];
  return { events, marks: { depth, fromNs, toNs, spans: numbers("spans"), busyNs: numbers("busyNs") } };
}

/** The events, and what reads the columns behind them, one after the other. */
function readEvents(buffer: ArrayBuffer): { events: EventColumns; numbers: (column: string) => Numbers } {
  const { header, offset: begin } = readHeader(buffer);
  const { count } = header;
  let offset = begin;
  const take = (bytesPerElement: number): number => {
    const at = offset;
    offset += aligned(count * bytesPerElement);
    if (offset > buffer.byteLength) malformed(`columns end at byte ${offset} of ${buffer.byteLength}`);
    return at;
  };
  const numbers = (column: string): Numbers => {
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
  return { events: columnsOf(count, new Float64Array(buffer, take(8), count), numbers, text), numbers };
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
