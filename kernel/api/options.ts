/** Arguments are checked once, at the border, in one wording: `name must be …, got value`. */

import { OptionError } from "./errors";

/** What an option may be, in the words of the error message, and the test of it. */
export interface Rule<T> {
  readonly expected: string;
  readonly accepts: (value: unknown) => value is T;
}

/** A rule for every option of `T`. */
export type Rules<T> = { readonly [K in keyof Required<T>]: Rule<Exclude<T[K], undefined>> };

/** A value as an error message shows it: short, on one line. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value);
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  if (typeof value === "object" && value !== null) {
    const text = jsonOf(value);
    return text.length > 60 ? `${text.slice(0, 57)}…` : text;
  }
  return String(value);
}

function jsonOf(value: object): string {
  try {
    return JSON.stringify(value) ?? "an object";
  } catch {
    return Array.isArray(value) ? "a list" : "an object"; // circular, or nested too deeply for JSON
  }
}

/** @throws OptionError `E_OPTION_INVALID` */
export function invalid(name: string, expected: string, got: unknown): never {
  throw new OptionError("E_OPTION_INVALID", `${name} must be ${expected}, got ${shown(got)}`, { name, expected, got });
}

/** Any integer from `min` to `max`. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Rule<number> {
  const expected =
    max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
  return { expected, accepts: (v): v is number => Number.isSafeInteger(v) && Number(v) >= min && Number(v) <= max };
}

/** A finite number from `min` to `max`. */
export function number(min: number, max: number = Infinity): Rule<number> {
  const expected = max === Infinity ? `a number of at least ${min}` : `a number from ${min} to ${max}`;
  return { expected, accepts: (v): v is number => typeof v === "number" && Number.isFinite(v) && v >= min && v <= max };
}

/** A list of integers from `min` to `max`. */
export function integers(min: number, max: number): Rule<readonly number[]> {
  const each = integer(min, max);
  return {
    expected: `a list, each ${each.expected}`,
    accepts: (v): v is readonly number[] => Array.isArray(v) && v.every(each.accepts),
  };
}

/** One of the given words. */
export function oneOf<T extends string>(...words: readonly T[]): Rule<T> {
  return {
    expected: `one of ${words.join(", ")}`,
    accepts: (v): v is T => typeof v === "string" && (words as readonly string[]).includes(v),
  };
}

/** A list of at least one value, all different. */
export function listOf<T>(rule: Rule<T>): Rule<readonly T[]> {
  return {
    expected: `a list of different values, each ${rule.expected}`,
    accepts: (v): v is readonly T[] =>
      Array.isArray(v) && v.length > 0 && new Set(v).size === v.length && v.every((one) => rule.accepts(one)),
  };
}

export const flag: Rule<boolean> = { expected: "true or false", accepts: (v): v is boolean => typeof v === "boolean" };
export const text: Rule<string> = { expected: "a text", accepts: (v): v is string => typeof v === "string" };
export const nonEmptyText: Rule<string> = {
  expected: "a text that is not empty",
  accepts: (v): v is string => typeof v === "string" && v.length > 0,
};
/** A function; its type is the caller's word. */
export function callback<F extends (...values: never[]) => void>(): Rule<F> {
  return { expected: "a function", accepts: (v): v is F => typeof v === "function" };
}
export const abortSignal: Rule<AbortSignal> = {
  expected: "an AbortSignal",
  accepts: (v): v is AbortSignal => typeof v === "object" && v !== null && "aborted" in v && "addEventListener" in v,
};

/**
 * Checks an options object against its rules. Unknown names are errors, so that a misspelt option is not ignored.
 *
 * @throws OptionError `E_OPTION_UNKNOWN`, `E_OPTION_INVALID`
 * @example
 * checkOptions("generate", { topK: 40 }, { topK: integer(0), seed: integer(0) }); // { topK: 40 }
 */
export function checkOptions<T extends object>(
  owner: string,
  given: { readonly [K in keyof T]: T[K] | undefined } | undefined,
  rules: Rules<T>,
): T {
  const options: unknown = given ?? {};
  if (typeof options !== "object" || options === null || Array.isArray(options))
    invalid(`options of ${owner}`, "an object", given);
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    if (!Object.hasOwn(rules, name)) {
      const known = Object.keys(rules).join(", ");
      throw new OptionError("E_OPTION_UNKNOWN", `${owner} has no option ${shown(name)}; its options are ${known}`, {
        owner,
        name,
      });
    }
    if (value === undefined) continue;
    const rule = rules[name as keyof T];
    if (!rule.accepts(value)) invalid(name, rule.expected, value);
    checked[name] = value;
  }
  return checked as T;
}
