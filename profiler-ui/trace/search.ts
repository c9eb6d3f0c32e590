/**
 * Finding spans by words: `scan layer:3..5 -rank:0 dur:>20us`.
 *
 * A plain word is looked for in the op's name; `key:value` in that column; a minus in front excludes. All terms must hold.
 * Numbers may be a value, a range `a..b`, or `>a` and `<a`; durations take ns, us, µs, ms and s.
 */

import type { EventColumns, TextColumn } from "./events";
import { KIND_LABELS, KINDS } from "./kinds";

/** Whether event `i` is one that is looked for. */
export type Predicate = (i: number) => boolean;

/** What a query means; `problem` says which term could not be read. */
export type Query =
  | { readonly kind: "all" }
  | { readonly kind: "terms"; readonly terms: readonly Term[] }
  | { readonly kind: "problem"; readonly problem: string };

interface Term {
  readonly exclude: boolean;
  readonly test: (events: EventColumns) => Predicate;
}

type NumberKey = "rank" | "stream" | "layer" | "step" | "tokens" | "seq" | "group" | "cell" | "request";
const NUMBER_KEYS: readonly NumberKey[] = [
  "rank",
  "stream",
  "layer",
  "step",
  "tokens",
  "seq",
  "group",
  "cell",
  "request",
];

/** What a query may ask for, for help and errors. */
export const SEARCH_KEYS: readonly string[] = ["name", "kind", "phase", "wire", "dur", "bytes", "sent", ...NUMBER_KEYS];

/** @example parseQuery("out_proj wire:int8 dur:>1ms") */
export function parseQuery(text: string): Query {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return { kind: "all" };
  const terms: Term[] = [];
  for (const word of words) {
    const exclude = word.startsWith("-") && word.length > 1;
    const test = readTerm(exclude ? word.slice(1) : word);
    if (typeof test === "string") return { kind: "problem", problem: test };
    terms.push({ exclude, test });
  }
  return { kind: "terms", terms };
}

/** The query on these columns; null where it asks for everything or cannot be read. */
export function predicateOf(query: Query, events: EventColumns): Predicate | null {
  if (query.kind !== "terms") return null;
  const tests = query.terms.map(({ exclude, test }) => ({ exclude, test: test(events) }));
  return (i) => tests.every(({ exclude, test }) => test(i) !== exclude);
}

function readTerm(word: string): Term["test"] | string {
  const colon = word.indexOf(":");
  if (colon < 0) return (events) => inText(events.name, (name) => name.includes(word));
  const key = word.slice(0, colon);
  const value = word.slice(colon + 1);
  if (value === "") return `${key}: needs a value, like ${key}:1`;
  switch (key) {
    case "name":
      return (events) => inText(events.name, (name) => name.includes(value));
    case "kind":
      return (events) => inText(events.kind, (kind) => kind.includes(value) || labelOf(kind).includes(value));
    case "phase":
      return (events) => inText(events.phase, (phase) => phase.includes(value));
    case "wire":
      return (events) => inText(events.wireType, (wire) => wire === value);
    case "dur":
      return numeric(word, value, ({ durNs }) => durNs, timeOf);
    case "bytes":
      return numeric(word, value, ({ bytes }) => bytes, bytesOf);
    case "sent":
      return numeric(word, value, ({ wireBytes }) => wireBytes, bytesOf);
  }
  const column = NUMBER_KEYS.find((name) => name === key);
  if (!column) return `there is no ${key}:; it may be ${SEARCH_KEYS.join(", ")}`;
  return numeric(word, value, (events) => events[column], Number);
}

function labelOf(kind: string): string {
  const known = KINDS.find((candidate) => candidate === kind);
  return known ? KIND_LABELS[known].toLowerCase() : "";
}

/** One decision a text of the column, then a look-up an event. */
function inText({ texts, codes }: TextColumn, fits: (text: string) => boolean): Predicate {
  const fitting = texts.map((text) => fits(text.toLowerCase()));
  return (i) => fitting[codes[i] ?? 0] === true;
}

function numeric(
  word: string,
  value: string,
  column: (events: EventColumns) => ArrayLike<number>,
  read: (text: string) => number,
): Term["test"] | string {
  const range = rangeOf(value, read);
  if (!range) return `“${word}” is no number; it may be like 3, 3..5, >3 or <3`;
  return (events) => {
    const values = column(events);
    return (i) => (values[i] ?? NaN) >= range.from && (values[i] ?? NaN) <= range.to;
  };
}

function rangeOf(value: string, read: (text: string) => number): { from: number; to: number } | null {
  const between = value.split("..");
  const [low = "", high = ""] = between;
  const range =
    between.length === 2
      ? { from: low === "" ? -Infinity : read(low), to: high === "" ? Infinity : read(high) }
      : value.startsWith(">")
        ? { from: read(value.slice(1)), to: Infinity }
        : value.startsWith("<")
          ? { from: -Infinity, to: read(value.slice(1)) }
          : { from: read(value), to: read(value) };
  return Number.isNaN(range.from) || Number.isNaN(range.to) ? null : range;
}

const TIMES: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9 };
const SIZES: Readonly<Record<string, number>> = { "": 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9 };

function timeOf(text: string): number {
  return scaled(text, TIMES, "ns");
}

function bytesOf(text: string): number {
  return scaled(text, SIZES, "");
}

function scaled(text: string, units: Readonly<Record<string, number>>, without: string): number {
  const match = /^(\d*\.?\d+)([a-zµ]*)$/.exec(text);
  return match ? Number(match[1]) * (units[match[2] || without] ?? NaN) : NaN;
}
