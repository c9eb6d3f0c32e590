/** The shape of run.json: what every reader may rely on, whoever wrote the file. */

import { isObject } from "../checkpoint/json";
import { shown } from "../options";

/** A test of a value, in words; or shapes of a list's elements, of any entries, of named fields. */
type Shape =
  | { readonly expected: string; readonly fits: (value: unknown) => boolean }
  | { readonly list: Shape }
  | { readonly entries: Shape }
  | { readonly fields: Readonly<Record<string, Shape>>; readonly optional?: Readonly<Record<string, Shape>> };

const text: Shape = { expected: "a text", fits: (value) => typeof value === "string" };
/** JSON writes numbers that are none as null. */
const number: Shape = { expected: "a number", fits: (value) => typeof value === "number" || value === null };
const digits: Shape = {
  expected: "a number of nanoseconds in digits",
  fits: (value) => typeof value === "string" && /^\d{1,30}$/.test(value),
};

const RUN: Shape = {
  fields: {
    label: text,
    createdAt: text,
    status: {
      expected: "recording, complete or interrupted",
      fits: (value) => ["recording", "complete", "interrupted"].includes(value as string),
    },
    model: {
      fields: {
        ...{ name: text, family: text, layers: number, hidden: number },
        ...{ inner: number, states: number, vocabulary: number, parameters: number },
      },
    },
    tensorParallel: number,
    threadsPerRank: number,
    device: text,
    computeType: text,
    allReduce: { entries: text },
    machine: { fields: { cpu: text, isa: text, cores: number, memoryBytes: number } },
    versions: { entries: text },
    clocks: { list: { fields: { rank: number, method: text, offsetNs: number, slope: number, errorNs: number } } },
    overhead: { fields: { spans: number, nsPerSpan: number, share: number, writeMs: number } },
    events: number,
    lost: number,
    durationNs: number,
    requests: {
      list: {
        fields: {
          ...{ request: number, prompt: text, text, promptTokens: number, newTokens: number, ttftMs: number },
          ...{ prefillTokensPerSecond: number, decodeTokensPerSecond: number, wireBytes: number },
        },
      },
    },
  },
  optional: {
    originNs: digits,
    quantisationGroup: number,
    allReduceReason: text,
    link: text,
    gpus: { list: text },
    decodeSteps: text,
    memory: { entries: { list: number } },
    notes: text,
    tags: { list: text },
  },
};

/** What of a parsed run.json is not as it must be; undefined where nothing is. @example misfitOfRun({}); // "label must be a text, got undefined" */
export function misfitOfRun(value: unknown): string | undefined {
  return misfit(RUN, value, "");
}

/** What a run.json without misfits says, and nothing else: what stands beside it may be nested deeper than anything here can follow. */
export function knownOfRun(value: Readonly<Record<string, unknown>>): unknown {
  return known(RUN, value);
}

function known(shape: Shape, value: unknown): unknown {
  if ("expected" in shape) return value;
  if ("list" in shape) return (value as unknown[]).map((one) => known(shape.list, one));
  const object = value as Readonly<Record<string, unknown>>;
  if ("entries" in shape)
    return Object.fromEntries(Object.entries(object).map(([name, one]) => [name, known(shape.entries, one)]));
  const fields = Object.entries({ ...shape.fields, ...shape.optional });
  return Object.fromEntries(
    fields.flatMap(([name, field]) => (object[name] === undefined ? [] : [[name, known(field, object[name])]])),
  );
}

function misfit(shape: Shape, value: unknown, path: string): string | undefined {
  const refuse = (expected: string): string => `${path || "it"} must be ${expected}, got ${shown(value)}`;
  if ("expected" in shape) return shape.fits(value) ? undefined : refuse(shape.expected);
  if ("list" in shape) {
    if (!Array.isArray(value)) return refuse("a list");
    return first(value.entries(), ([at, one]) => misfit(shape.list, one, `${path}[${at}]`));
  }
  if (!isObject(value)) return refuse("an object");
  const below = (name: string): string => (path === "" ? name : `${path}.${name}`);
  if ("entries" in shape) return first(Object.entries(value), ([name, one]) => misfit(shape.entries, one, below(name)));
  const { fields, optional = {} } = shape;
  return (
    first(Object.entries(fields), ([name, field]) => misfit(field, value[name], below(name))) ??
    first(Object.entries(optional), ([name, field]) =>
      value[name] === undefined ? undefined : misfit(field, value[name], below(name)),
    )
  );
}

function first<T>(values: Iterable<T>, misfitOf: (value: T) => string | undefined): string | undefined {
  for (const value of values) {
    const found = misfitOf(value);
    if (found !== undefined) return found;
  }
  return undefined;
}
