/**
 * Literals of plain data that are longer than code is: tables that were pasted or written by a program.
 *
 * TypeScript takes seconds for a megabyte of numbers, and longer for one of objects. Of its types it learns no more from a
 * million elements than from one of each shape; so the compiler is given these in a call, and the call's value is
 * the literal as it stands in the cell.
 */

/** Where a literal stands in the cell. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The function that stands in a literal's place: number of the literal, and its types. */
export const LITERAL = "$literal";
export const literalDeclaration: string = `declare function ${LITERAL}<T>(ordinal: number, shapes: T): T;`;

/** UTF-16 code units. */
const SHORTEST = 65_536;

/** Longer texts are any string's type to the compiler. */
const LONGEST_SAMPLE = 64;

/** Longer lists are of any length to the compiler; of shorter ones it is told every element: they may be tuples. */
const LONGEST_TUPLE = 8;

const NUMBER = /-?(?=\.?\d)(?:0[xX][\da-fA-F]+|(?:0|[1-9][\d_]*)?(?:\.\d*)?(?:[eE][+-]?\d+)?)n?(?![\w$.])/y;
const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy;

/** Words that are data, by their type. */
const CONSTANTS = new Map([
  ["true", "boolean"],
  ["false", "boolean"],
  ["null", "null"],
  ["undefined", "undefined"],
  ["NaN", "number"],
  ["Infinity", "number"],
]);

/** A value: the same shape means the same type, and `sample` is the shortest text of it. */
interface Value {
  readonly shape: string;
  readonly sample: string;
}

/** A bracket that is open. */
interface Open {
  readonly start: number;
  readonly isArray: boolean;
  /** False where no literal can stand, and once it holds what is not plain data. */
  plain: boolean;
  expects: "value" | "comma" | "key" | "colon";
  key: string;
  /** Of an array one value of each shape, of an object all. */
  readonly values: Map<string, Value>;
  /** Of an array the first ones, up to one more than a tuple has. */
  readonly first: Value[];
}

interface Found extends Span {
  readonly sample: string;
}

/**
 * Puts calls in the place of long literals; every other position is what it was.
 *
 * @returns The text for the compiler, and the literals in the order of their numbers.
 */
export function liftLiterals(source: string): { readonly text: string; readonly literals: readonly Span[] } {
  if (source.length < SHORTEST) return { text: source, literals: [] };
  let text = "";
  let end = 0;
  const literals: Span[] = [];
  for (const found of longLiterals(source)) {
    const call = callInPlace(source, found, literals.length);
    if (call === undefined) continue;
    text += source.slice(end, found.start) + call;
    end = found.end;
    literals.push({ start: found.start, end: found.end });
  }
  return { text: text + source.slice(end), literals };
}

/** As long as the literal, with as many lines, and a last one that ends in the same column. */
function callInPlace(source: string, { start, end, sample }: Found, ordinal: number): string | undefined {
  const literal = source.slice(start, end);
  const lastLine = literal.lastIndexOf("\n") + 1;
  const lines = literal.split("\n").length - 1;
  const head = `${LITERAL}(${ordinal}, ${sample}`;
  const tail = `${" ".repeat(lines === 0 ? 0 : literal.length - lastLine - 1)})`;
  const room = literal.length - head.length - lines - tail.length;
  return room < 0 ? undefined : head + " ".repeat(room) + "\n".repeat(lines) + tail;
}

/**
 * The outermost literals of plain data.
 *
 * Knows no grammar: where it could take a division for a regular expression, or meets a template, it ends with what it has.
 */
function longLiterals(source: string): Found[] {
  const found: Found[] = [];
  const open: Open[] = [];
  /** The last token that is no blank. */
  let before = "";
  for (let at = 0; at < source.length;) {
    const start = at;
    const char = source[at] ?? "";
    if (isBlank(char)) {
      ++at;
      continue;
    }
    const top = open.at(-1);
    if (char === "[" || char === "{") {
      ++at;
      open.push(opened(start, char, before));
    } else if (char === "]" || char === "}") {
      ++at;
      const value = closed(open, at, found);
      if (value !== undefined) add(open.at(-1), value);
    } else if (char === '"' || char === "'") {
      at = endOfString(source, at);
      if (at === start) break;
      const text = source.slice(start, at);
      if (top?.expects === "key") named(top, text);
      else add(top, { shape: "string", sample: text.length <= LONGEST_SAMPLE ? text : '""' });
    } else if (char === "/") {
      at = endOfComment(source, at);
      if (at === start) break;
      continue;
    } else if (char === "`") break;
    else if (/[-\d.]/.test(char) && (at = endOf(NUMBER, source, at)) > start + Number(char === "-")) {
      const text = source.slice(start, at);
      if (top?.expects === "key") named(top, text);
      else add(top, { shape: text.endsWith("n") ? "bigint" : "number", sample: text });
    } else if ((at = endOf(WORD, source, start)) > start) {
      const word = source.slice(start, at);
      const type = CONSTANTS.get(word);
      if (top?.expects === "key") named(top, word);
      else if (type !== undefined) add(top, { shape: type, sample: word });
      else taint(top);
    } else {
      at = start + 1;
      punctuate(top, char);
    }
    before = at === start + 1 ? char : source.slice(start, Math.min(at, start + LONGEST_WORD));
  }
  return found.filter(({ end }) => !/^\s*(?:as\s+const|satisfies)\b/.test(source.slice(end, end + 100)));
}

function isBlank(char: string): boolean {
  return char === " " || char === "\n" || char === "\t" || char === "\r";
}

/** Where the token that begins at `at` ends; `at` where there is none. */
function endOf(token: RegExp, source: string, at: number): number {
  token.lastIndex = at;
  return token.test(source) ? token.lastIndex : at;
}

// By hand: regular expressions remember every turn of a loop, and megabytes of text are too many.

function endOfString(source: string, start: number): number {
  for (let at = start + 1; at < source.length && source[at] !== "\n"; ++at) {
    if (source[at] === "\\") ++at;
    else if (source[at] === source[start]) return at + 1;
  }
  return start;
}

function endOfComment(source: string, start: number): number {
  const close = { "//": "\n", "/*": "*/" }[source.slice(start, start + 2)];
  if (close === undefined) return start;
  const end = source.indexOf(close, start + 2);
  return end === -1 ? source.length : end + close.length;
}

function opened(start: number, bracket: string, before: string): Open {
  const isArray = bracket === "[";
  return {
    start,
    isArray,
    plain: isPlace(before, bracket),
    expects: isArray ? "value" : "key",
    key: "",
    values: new Map(),
    first: [],
  };
}

/** What the innermost bracket held, if that was plain data; long data goes to `found`. */
function closed(open: Open[], end: number, found: Found[]): Value | undefined {
  const top = open.pop();
  if (top?.plain !== true || top.expects === "colon" || (top.expects === "value" && !top.isArray)) {
    taint(open.at(-1));
    return undefined;
  }
  const value = top.isArray ? listOf(top) : objectOf(top);
  if (end - top.start >= SHORTEST) {
    while ((found.at(-1)?.start ?? -1) > top.start) found.pop(); // they are parts of this one
    found.push({ start: top.start, end, sample: value.sample });
  }
  return value;
}

function listOf({ first, values }: Open): Value {
  const isTuple = first.length <= LONGEST_TUPLE;
  const elements = isTuple ? first : [...values.values()];
  const shapes = elements.map(({ shape }) => shape);
  return {
    shape: isTuple ? `[${shapes.join()}]` : `[${shapes.sort().join()},…]`,
    sample: `[${elements.map(({ sample }) => sample).join(", ")}]`,
  };
}

function objectOf({ values }: Open): Value {
  const pairs = [...values];
  return {
    shape: `{${pairs.map(([key, { shape }]) => `${key}:${shape}`).join()}}`,
    sample: `{ ${pairs.map(([key, { sample }]) => `${key}: ${sample}`).join(", ")} }`,
  };
}

function add(top: Open | undefined, value: Value): void {
  if (top?.plain !== true) return;
  if (top.expects !== "value") return taint(top);
  const key = top.isArray ? value.shape : top.key;
  if (!top.values.has(key)) top.values.set(key, value);
  if (top.isArray && top.first.length <= LONGEST_TUPLE) top.first.push(value);
  top.expects = "comma";
}

function named(top: Open, key: string): void {
  top.key = key;
  top.expects = "colon";
}

function punctuate(top: Open | undefined, char: string): void {
  if (top?.plain !== true) return;
  if (top.expects === "colon" && char === ":") top.expects = "value";
  else if (top.expects === "comma" && char === ",") top.expects = top.isArray ? "value" : "key";
  else taint(top);
}

function taint(open: Open | undefined): void {
  if (open !== undefined) open.plain = false;
}

const BEFORE_LITERAL = ["=", "(", ",", ":", "[", "?", "return"];
const LONGEST_WORD = "return".length + 1;

/** Whether a literal may stand behind a token: elsewhere brackets are indices, types or blocks. */
function isPlace(before: string, bracket: string): boolean {
  return BEFORE_LITERAL.includes(before) || (bracket === "[" && (before === "" || before === ";"));
}
