/** TypeScript in cells: what a notebook's author may write. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { KernelClient, result, stopKernels, traceback } from "../jupyter/support/client";
import { temporaryFolder } from "../jupyter/support/environment";

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start();
});
afterAll(stopKernels);

/** Runs cells one after the other; the result of the last one, or its traceback. */
async function run(...cells: readonly string[]): Promise<unknown> {
  let last: unknown;
  for (const code of cells) {
    const answer = await kernel.execute(code);
    last = answer.reply["status"] === "ok" ? result(answer) : traceback(answer);
  }
  return last;
}

const cases: readonly (readonly [title: string, cells: readonly string[], expected: string | undefined])[] = [
  ["a variable of one cell is known in the next", ["let a = 2;", "a * 21"], "42"],
  ["a cell can change a variable of another", ["let b = 1;", "b += 1; b++;", "b"], "3"],
  [
    "a function sees a variable that a later cell changes",
    ["let c = 1; const readC = () => c;", "c = 5;", "readC()"],
    "5",
  ],
  ["a later cell sees what a function changes", ["let d = 0; function bumpD() { d++; }", "bumpD(); bumpD(); d"], "2"],
  ["a variable can be declared again with another type", ["const e = 1;", "const e = 'text';", "e.length"], "4"],
  [
    "var in a statement can be destructured and left empty",
    [
      "if (true) { var { va, vb: [vc] } = { va: 1, vb: [2] }, vd; }\nfor (var [ve] of [[3], [4]]) {}",
      "[va, vc, vd, ve]",
    ],
    "[ 1, 2, undefined, 4 ]",
  ],
  ["a cell that declares can be run twice", ["let twin = 1;", "let twin = 2;", "'between'", "twin"], "2"],
  [
    "namespaces live on, also beside a class of their name, until they are declared again",
    [
      "class Both { x = 1 }\nnamespace Both { export const y = 2; }\nnamespace Old { export const z = 'z'; }",
      "'between'",
      "namespace Old { export const z = 3; }",
      "let between = 4;",
      "new Both().x + Both.y + Old.z.valueOf() + between",
    ],
    "10",
  ],
  [
    "what a cell adds to the global scope or to a module is known in later ones",
    [
      "declare global { interface Array<T> { second(): T } }\nArray.prototype.second = function () { return this[1]; };",
      "import 'node:os';\ndeclare module 'node:os' { export const added: string | undefined; }",
      "'between'",
      "import { added } from 'node:os';\n[[1, 2].second().toFixed(), added]",
    ],
    "[ '2', undefined ]",
  ],
  ["destructuring declares variables", ["const { f, g: [h] } = { f: 1, g: [2] };", "f + h"], "3"],
  ["var in a loop outlives the cell", ["for (var k = 0; k < 3; k++) { var twice = k * 2; }", "k + twice"], "7"],
  [
    "interfaces and type aliases are known in the next cell",
    ["interface P { x: number }\ntype Q = P | null;", "const q: Q = { x: 1 }; q"],
    "{ x: 1 }",
  ],
  [
    "classes, enums and namespaces too",
    [
      "class K { constructor(readonly v: number) {} }\nenum E { A = 7 }\nnamespace N { export const n = 8; }",
      "new K(1).v + E.A + N.n",
    ],
    "16",
  ],
  ["decorated classes work", ["function tag(c: any) { c.tag = 'yes'; }\n@tag class D {}", "(D as any).tag"], "'yes'"],
  ["await works at the top of a cell", ["const v = await Promise.resolve(9);", "v"], "9"],
  [
    "for await works at the top of a cell",
    ["async function* gen() { yield 1; yield 2; }\nlet total = 0;\nfor await (const x of gen()) total += x;\ntotal"],
    "3",
  ],
  ["a promise on the last line is awaited", ["Promise.resolve('done')"], "'done'"],
  [
    "Node's modules are imported, by name, as a whole and by default",
    [
      "import os from 'os';\nimport * as path from 'node:path';\nimport { sep as s } from 'path';",
      "[typeof os.cpus, path.join('a', 'b'), s]",
    ],
    "[ 'function', 'a/b', '/' ]",
  ],
  ["import() works", ["const events = await import('node:events');", "typeof events.EventEmitter"], "'function'"],
  ["require works", ["const fs = require('fs');", "typeof fs.readFileSync"], "'function'"],
  [
    "import.meta and __dirname say where the notebook is",
    ["import.meta.dirname === __dirname && __dirname === process.cwd()"],
    "true",
  ],
  ["what Node 20 has beyond TypeScript 5.0's libraries is known", ["[3, 1, 2].toSorted().with(0, 9)"], "[ 9, 2, 3 ]"],
  [
    "a type that cannot be named does not refuse a cell",
    ["const server = await import('fs');", "typeof server.readFileSync"],
    "'function'",
  ],
  ["undefined on the last line shows nothing", ["undefined"], undefined],
  ["null on the last line is shown", ["null"], "null"],
  ["a statement on the last line shows nothing", ["let last = 5;"], undefined],
  [
    "a function of another cell is called without a this",
    ["function self(this: unknown) { return this === globalThis || this === undefined; }", "self()"],
    "true",
  ],
  [
    "export before a declaration is taken as said",
    [
      "export const exported = 'a';\nexport function shout(x: string): string { return x.toUpperCase(); }\nexport interface Loud { x: string }",
      "const loud: Loud = { x: shout(exported) };\nloud.x",
    ],
    "'A'",
  ],
  [
    "what a module exports by default is the cell's value, and what it names last is there anyway",
    [
      "const first = 1, second = 2;\nexport { first, second as other };\nexport default { first };",
      "export default function () { return first; }",
      "export default class Kept {}",
      "[typeof Kept, first + second]",
    ],
    "[ 'function', 3 ]",
  ],
  ["a default export without a name is a value", ["export default { a: 1 };"], "{ a: 1 }"],
  ["a first line for a shell is passed over", ["#!/usr/bin/env node\n'#!'.length"], "2"],
  [
    "names that begin with two underscores are names",
    [
      "const __a = 1; let ___b = 2; class __C { d = 3 }\nfunction __f(x: number) { return x; }",
      "import * as __path from 'node:path';",
      "[__f(__a), ___b, new __C().d, __path.sep]",
    ],
    "[ 1, 2, 3, '/' ]",
  ],
  [
    "a cell that says so is not checked",
    ["// first\n// @ts-nocheck\nconst unchecked: number = 'text';\nunchecked"],
    "'text'",
  ],
  ["Node 20's own globals are known", ["crypto.randomUUID().length + new File(['a'], 'b').size"], "37"],
  [
    "require and import.meta have what Node gives them",
    [
      "[require.resolve('fs'), import.meta.resolve('fs'), typeof require.cache, import.meta.resolve('tslab').slice(0, 8)]",
    ],
    "[ 'fs', 'node:fs', 'object', 'file:///' ]",
  ],
  [
    "a proxy that has been revoked is shown as one",
    ["const gone = Proxy.revocable({}, {}); gone.revoke(); gone.proxy"],
    "<Revoked Proxy>",
  ],
  ["a name that shadows a variable stays apart", ["let shadow = 1;", "{ let shadow = 2; shadow++; }\nshadow"], "1"],
  [
    "labels and loops without braces survive",
    [
      "let hits = 0;\nouter: for (const i of [1, 2, 3]) for (const j of [1, 2, 3]) if (j === 2) continue outer; else hits++;\nhits",
    ],
    "3",
  ],
  ["what ran before an error is kept", ["let before = 'kept'; throw new Error('x');", "before"], "'kept'"],
];

test.each(cases)("%s", async (_, cells, expected) => {
  expect(await run(...cells)).toEqual(expected);
});

test("a type error refuses the cell, with its place, and nothing of it runs", async () => {
  const answer = await kernel.execute("console.log('not printed');\nlet n: number = 'text';");
  expect(answer.reply).toMatchObject({ ename: "TypeScriptError" });
  expect(answer.reply["evalue"]).toBe("2:5 Type 'string' is not assignable to type 'number'. (TS2322)");
  expect(traceback(answer)).toContain("2 | let n: number = 'text';\n  |     ^");
  expect(kernel.text(answer)).toBe("");
});

test("a syntax error is called one, and only the syntax is spoken of", async () => {
  const { reply } = await kernel.execute("let = = 3");
  expect(reply).toMatchObject({ ename: "SyntaxError", evalue: "1:7 Expression expected. (TS1109)" });
});

test("using, which tslab's TypeScript does not know, is refused with what to write instead", async () => {
  for (const code of [
    "using r = open();",
    "{ await using r = open(); }",
    "async function f() {\n  using r = open();\n}",
  ])
    expect((await kernel.execute(code)).reply["evalue"]).toMatch(
      /^\d:\d cells know no `using`.* finally \{ r\[Symbol\.dispose\]\(\)/,
    );
});

test("an error's traceback has the cells' own lines and nothing of the kernel", async () => {
  const first = await kernel.execute(
    "// a comment\ninterface Gone { x: number }\nfunction deep(x: number): never {\n  const y = x * 2;\n  throw new RangeError(`got ${y}`);\n}",
  );
  const second = await kernel.execute("\nconst go = (): never =>\n  deep(3);\n\ngo();");
  const [m, n] = [first, second].map(({ reply }) => String(reply["execution_count"]));
  expect(second.reply).toMatchObject({ ename: "RangeError", evalue: "got 6" });
  // Where a function of an earlier cell is called, the column is that of the call's bracket.
  expect(traceback(second).split("\n")).toEqual([
    `In[${m}]`,
    "5 |   throw new RangeError(`got ${y}`);",
    "  |         ^",
    "RangeError: got 6",
    `    at deep (In[${m}]:5:9)`,
    `    at go (In[${n}]:3:7)`,
    `    at In[${n}]:5:3`,
  ]);
});

test("a traceback through require has none of the kernel's own frames", async () => {
  const frames = traceback(await kernel.execute("require('no-such-package');"));
  expect(frames).toMatch(/at require \(node:internal.*\n +at In\[\d+\]:1:1/);
  expect(frames).not.toContain("cell-modules");
});

test("an error after an await has its line as well", async () => {
  const answer = await kernel.execute("await null;\n\nlet list: number[] = [];\nlist[3].toFixed();");
  expect(traceback(answer)).toMatch(/In\[\d+\]:4:9/);
});

test("an error's code, details and cause are shown", async () => {
  const answer = await kernel.execute(
    "throw Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'E_TEST', details: { a: 1 } });",
  );
  expect(traceback(answer)).toContain("code: 'E_TEST'");
  expect(traceback(answer)).toContain("[cause]: Error: inner");
});

test("anything can be thrown", async () => {
  for (const value of ["'text'", "42", "undefined", "null", "{ a: 1 }", "Object.create(null)"])
    expect((await kernel.execute(`throw ${value};`)).reply).toMatchObject({ status: "error", ename: "Uncaught" });
  const trap = "{ get() { throw 1; }, getPrototypeOf() { throw 2; } }";
  for (const value of [
    `new Proxy({}, ${trap})`,
    "Object.defineProperty(new Error('x'), 'message', { get() { throw 3; } })",
  ])
    expect((await kernel.execute(`throw ${value};`)).reply).toMatchObject({ status: "error" });
});

test("what was wrong in one cell is not said of the next, and the same mistake is told as well the second time", async () => {
  await kernel.execute("interface Point { x: number; y: number }\nconst point: Point = { x: 1, y: 2 };");
  const wrong = "const other: Point & { z: { deep: number } } = { ...point, z: { deep: 'text' } };";
  const first = await kernel.execute(wrong);
  expect(first.reply["evalue"]).toContain("Type 'string' is not assignable to type 'number'");
  expect(result(await kernel.execute("await Promise.resolve(point.x)"))).toBe("1");
  expect(result(await kernel.execute("({ y: point.y })"))).toBe("{ y: 2 }");
  expect((await kernel.execute(wrong)).reply["evalue"]).toBe(first.reply["evalue"]);
});

test("a module that a cell could not find is found once it is there, and seen anew when it has changed", async () => {
  const folder = temporaryFolder();
  const own = await KernelClient.start({ cwd: folder });
  const use = "import { there } from './late';\nthere";
  expect((await own.execute(use)).reply["evalue"]).toContain("Cannot find module './late'");
  writeFileSync(join(folder, "late.ts"), "export const there: number = 1;");
  expect(result(await own.execute(use))).toBe("1");
  writeFileSync(join(folder, "late.ts"), "export const there: string = 'changed';");
  expect(result(await own.execute(use))).toBe("'changed'");
  expect((await own.execute("const n: number = there;")).reply["evalue"]).toContain("'string' is not assignable");
});
