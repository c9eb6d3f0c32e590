/** What cells can import, from a folder that has nothing to do with this package. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { KernelClient, result, stopKernels, traceback } from "../jupyter/support/client";
import { temporaryFolder } from "../jupyter/support/environment";

const folder = temporaryFolder();
let kernel: KernelClient;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function writePackage(name: string, manifest: object, files: Readonly<Record<string, string>>): void {
  write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: "1.0.0", ...manifest }));
  for (const [path, text] of Object.entries(files)) write(`node_modules/${name}/${path}`, text);
}

beforeAll(async () => {
  writePackage(
    "common",
    { main: "index.js", types: "index.d.ts" },
    {
      "index.js": "exports.twice = (x) => 2 * x;",
      "index.d.ts": "export declare function twice(x: number): number;",
    },
  );
  writePackage(
    "modern",
    {
      type: "module",
      exports: {
        ".": { types: "./d/index.d.ts", import: "./d/index.js" },
        "./sub": { types: "./d/sub.d.ts", import: "./d/sub.js" },
      },
    },
    {
      "d/index.js": "export const name = await Promise.resolve('modern'); export default class Modern { kind = 'es' }",
      "d/index.d.ts": "export declare const name: string; export default class Modern { kind: string }",
      "d/sub.js": "export const sub = 'sub';",
      "d/sub.d.ts": "export declare const sub: string;",
    },
  );
  writePackage("untyped", { main: "index.js" }, { "index.js": "module.exports = { answer: 42 };" });
  write(
    "helper.ts",
    "import { twice } from 'common';\nexport function four(x: number): number { return twice(twice(x)); }\n",
  );
  kernel = await KernelClient.start({ cwd: folder });
});
afterAll(stopKernels);

async function run(code: string): Promise<unknown> {
  const answer = await kernel.execute(code);
  return answer.reply["status"] === "ok" ? result(answer) : traceback(answer);
}

test("a CommonJS package is imported with its types", async () => {
  expect(await run("import { twice } from 'common';\ntwice(21)")).toBe("42");
  expect(await run("twice('21')")).toContain("not assignable to parameter of type 'number'");
});

test("an ES package that has only an exports map and awaits at its top is imported with its types", async () => {
  expect(
    await run(
      "import Modern, { name } from 'modern';\nimport { sub } from 'modern/sub';\n[name, new Modern().kind, sub]",
    ),
  ).toBe("[ 'modern', 'es', 'sub' ]");
  expect(await run("const wrong: number = name;")).toContain("Type 'string' is not assignable to type 'number'");
  expect(await run("(await import('modern')).name")).toBe("'modern'");
});

test("a package without types is imported as well", async () => {
  expect(await run("import untyped from 'untyped';\nuntyped.answer")).toBe("42");
});

test("the user's own file is compiled, and compiled anew when it has changed", async () => {
  expect(await run("import { four } from './helper';\nfour(2)")).toBe("8");
  await new Promise((resolve) => setTimeout(resolve, 20));
  write("helper.ts", "export function four(x: number): string { return `${x} is new`; }\n");
  expect(await run("import { four } from './helper';\nfour(2)")).toBe("'2 is new'");
});

test("a file is imported by its own extension too, and data with and without import attributes", async () => {
  write("data.json", '{ "list": [1, 2] }');
  write("own.ts", "export const own: string = 'own';\n");
  const cells = [
    "import { own } from './own.ts';\nown.length + (await import('./own.ts')).own.length",
    "import data from './data.json' with { type: 'json' };\ndata.list.length",
    "(await import('./data.json')).default.list[1] + (await import('./data.json', { with: { type: 'json' } })).list[0]",
  ];
  expect(await Promise.all(cells.map(run))).toEqual(["6", "2", "3"]);
});

test("a package that was missing is found once it is installed", async () => {
  expect(await run("import { late } from 'late-package';\nlate")).toContain("Cannot find module 'late-package'");
  writePackage(
    "late-package",
    { main: "index.js", types: "index.d.ts" },
    {
      "index.js": "exports.late = 'better than never';",
      "index.d.ts": "export declare const late: string;",
    },
  );
  expect(await run("import { late } from 'late-package';\nlate")).toBe("'better than never'");
});

test("stateline is imported with its types from any folder", async () => {
  expect(
    await run("import * as stateline from 'stateline';\n[typeof stateline.loadModel, typeof stateline.doctor]"),
  ).toBe("[ 'function', 'function' ]");
  expect(await run("stateline.loadModel(42)")).toContain("not assignable to parameter of type 'string'");
  expect(await run("stateline.noSuchThing")).toContain("Property 'noSuchThing' does not exist");
});

test("tslab's display API is there, with its types", async () => {
  const answer = await kernel.execute(
    "import { display, newDisplay, versions } from 'tslab';\ndisplay.markdown('*hi*');\nversions.tslab",
  );
  expect(answer.outputs[0]?.content).toMatchObject({ data: { "text/markdown": "*hi*" } });
  expect(result(answer)).toBe("'1.0.22'");
  expect(await run("display.html(1)")).toContain("not assignable to parameter of type 'string'");
});
