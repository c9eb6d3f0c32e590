/** Data that is too long for the compiler: what it is given instead, and what it is not. */
import { runInThisContext } from "node:vm";
import fc from "fast-check";
import { LITERAL, liftLiterals, type Span } from "../../kernel/cells/large-literals";

const LONG = 70_000;
const numbers = `[${"12345, ".repeat(LONG / 7)}0]`;

/** What a body returns, its literals read from where they stand in `source`. */
function evaluate(source: string, body: string, literals: readonly Span[]): unknown {
  const literal = (ordinal: number): unknown => {
    const { start = 0, end = 0 } = literals[ordinal] ?? {};
    return runInThisContext(`(${source.slice(start, end)})`);
  };
  return (runInThisContext(`(function (${LITERAL}) {${body}\n})`) as (of: unknown) => unknown)(literal);
}

test("any data has its value, every character behind it its place, and the compiler a tenth to read at most", () => {
  const space = fc.constantFrom("", " ", "\n", " \n  ", "/* ] */", "// }\n");
  fc.assert(
    fc.property(fc.jsonValue(), space, fc.constantFrom("a", '"b c"', "'d'"), (value, gap, key) => {
      const long = `[${`${gap}{ ${key}:${gap}[-1.5e3, 0x1F, .5, 1_000, 'it\\'s', null] },`.repeat(2000)}${JSON.stringify(value)}${gap}]`;
      const source = `const before = 1;\nconst data =${gap}${long}; const behind = data.length;\nreturn [data, behind, before];`;
      const { text, literals } = liftLiterals(source);
      expect(literals).toHaveLength(1);
      expect(text).toHaveLength(source.length);
      expect(text.slice(literals[0]?.end)).toBe(source.slice(literals[0]?.end));
      expect(text.split("\n").length).toBe(source.split("\n").length);
      expect(text.lastIndexOf("\n", literals[0]?.end)).toBe(source.lastIndexOf("\n", literals[0]?.end));
      expect(text.replace(/\s+/g, " ").length).toBeLessThan(source.length / 10);
      expect(evaluate(source, text, literals)).toEqual(evaluate(source, source, []));
    }),
    { numRuns: 20 },
  );
});

test("one element of each shape is left, so that the types are those of all", () => {
  const mixed = `[${"1, ".repeat(LONG / 3)} "a", "b", [1], [2], [true, null], { x: 1 }, { x: 2 }, { x: "y" }, 5n]`;
  const { text } = liftLiterals(`const mixed = ${mixed};`);
  expect(text.replace(/\s+\)/, ")")).toBe(
    `const mixed = ${LITERAL}(0, [1, "a", [1], [true, null], { x: 1 }, { x: "y" }, 5n]);`,
  );
});

test("short lists keep every element, since a type may ask for so many", () => {
  const pairs = `[${"[1, 2], ".repeat(LONG / 8)}[3, "c"], [${"4, ".repeat(9)}5]]`;
  const { text } = liftLiterals(`const pairs: [number, number | string][] = ${pairs};`);
  expect(text.replace(/\s+\)/, ")")).toBe(
    `const pairs: [number, number | string][] = ${LITERAL}(0, [[1, 2], [3, "c"], [4]]);`,
  );
});

test.each([
  ["holds code", `const a = [${"f(1), ".repeat(LONG / 6)}];`],
  ["holds a spread", `const a = [...b, ${numbers.slice(1)};`],
  ["is constant", `const a = ${numbers} as const;`],
  ["is checked", `const a = ${numbers} satisfies number[];`],
  ["is an index", `a${numbers}`],
  ["is a block", `if (a) {${" ".repeat(LONG)}}`],
  ["is a pattern", `const [${"a, ".repeat(LONG / 3)}b] = c;`],
  ["is in a string", `const a = "${numbers}", b = '${numbers}';`],
  ["is in a comment", `// ${numbers}\n/* = ${numbers} */`],
  ["is in a template", `const a = \`= ${numbers}\`;`],
  ["stands behind a slash that may begin a regular expression", `const quote = /"/; const a = ${numbers};`],
  ["has a number that is none", `const a = [${"0777, ".repeat(LONG / 6)}];`],
  ["has a name that looks like a number", `const a = [${"-e5, ".repeat(LONG / 5)}];`],
  ["is short", "const a = [1, 2, 3];"],
])("what %s is left as it is", (_, source) => {
  expect(liftLiterals(source)).toEqual({ text: source, literals: [] });
});

test("data inside of code is taken, each by itself", () => {
  const source = `const sum = [${numbers}, ${numbers}].map((list) => f(list)); g({ data: ${numbers}, call: h() });`;
  const { text, literals } = liftLiterals(source);
  expect(text.replace(/\s+\)/g, ")")).toBe(
    `const sum = ${LITERAL}(0, [[12345], [12345]]).map((list) => f(list)); g({ data: ${LITERAL}(1, [12345]), call: h() });`,
  );
  expect(literals.map(({ start, end }) => source.slice(start, end))).toEqual([`[${numbers}, ${numbers}]`, numbers]);
});
