/** Holds the house rules of who may know whom (docs/architecture.md): by reading the imports, not by trusting them. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";

const root = dirname(__dirname);

function sources(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
}

/** Room of a file: kernel/api, profiler-ui/trace, native/model, … */
const room = (file: string): string => file.split(sep).slice(0, 2).join("/");

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/(?:from|import|require\()\s*\(?["'](\.[^"']*)["']/g)].map((match) =>
    relative(root, normalize(join(root, dirname(file), match[1] ?? ""))),
  );
}

/** Rooms that a TypeScript room may import besides itself; "*" is every room. */
const mayImport: Record<string, readonly string[]> = {
  "profiler-ui/trace": [],
  "profiler-ui/server": ["profiler-ui/trace"],
  "profiler-ui/web": ["profiler-ui/trace"],
  "kernel/files": [],
  "kernel/api": ["kernel/files", "profiler-ui/trace"],
  "kernel/cells": ["kernel/api", "profiler-ui/trace"],
  // The worker's messages are types that both processes share.
  "kernel/worker": ["kernel/cells"],
  "kernel/jupyter": ["kernel/worker/messages", "kernel/files", "profiler-ui/trace"],
  "kernel/cli": ["*"],
};

const typescript = ["kernel", "profiler-ui"].flatMap((folder) => sources(folder, /\.ts$/));

test("every TypeScript room imports only the rooms it may know", () => {
  const broken = typescript.flatMap((file) => {
    const allowed = mayImport[room(file)] ?? [];
    return importsOf(file)
      .filter((target) => room(target) !== room(file) && !allowed.includes("*"))
      .filter((target) => !allowed.some((known) => target === known || room(target) === known))
      .map((target) => `${file} imports ${target}`);
  });
  expect(typescript.length).toBeGreaterThan(20);
  expect(broken).toEqual([]);
});

test("profiler-ui/trace uses neither Node nor the DOM", () => {
  const broken = typescript
    .filter((file) => room(file) === "profiler-ui/trace")
    .filter((file) => /from "node:|\b(document|window|process|Buffer)\./.test(readFileSync(join(root, file), "utf8")));
  expect(broken).toEqual([]);
});

const native = sources("native", /\.(h|cpp|cu|cuh)$/);
const includesOf = (file: string): string[] =>
  [...readFileSync(join(root, file), "utf8").matchAll(/#include\s+[<"]([^>"]+)[>"]/g)].map((match) => match[1] ?? "");

/** Headers of another native room that a room may include; "*" is every one. */
const mayInclude: Record<string, readonly RegExp[]> = {
  "native/device": [/^runtime\/error\.h$/],
  "native/trace": [/^runtime\/error\.h$/],
  "native/comm": [/^device\//, /^trace\//, /^runtime\/error\.h$/],
  // The mathematics sees devices and communicators by their interfaces only.
  "native/model": [
    /^device\/(device|finite|row|tensor)\.h$/,
    /^comm\/communicator\.h$/,
    /^trace\//,
    /^runtime\/error\.h$/,
  ],
  "native/runtime": [/^(device|comm|model|trace)\//],
  "native/addon": [/./],
  "native/test": [/^(device|comm|model|trace|runtime|test)\//],
};

test("every native room includes only the rooms it may know", () => {
  const rooms = /^(model|runtime|comm|device|trace|addon|test)\//;
  const broken = native.flatMap((file) =>
    includesOf(file)
      .filter((header) => rooms.test(header) && `native/${header.split("/")[0] ?? ""}` !== room(file))
      .filter((header) => !(mayInclude[room(file)] ?? []).some((pattern) => pattern.test(header)))
      .map((header) => `${file} includes ${header}`),
  );
  expect(native.length).toBeGreaterThan(20);
  expect(broken).toEqual([]);
});

test("only native/addon sees Node's headers", () => {
  const broken = native
    .filter((file) => room(file) !== "native/addon")
    .filter((file) => includesOf(file).some((header) => /^(napi|node_api|node|uv|v8)\b/.test(header)));
  expect(broken).toEqual([]);
});
