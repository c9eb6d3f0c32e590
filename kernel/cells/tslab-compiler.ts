/**
 * tslab's converter on a TypeScript that suits a kernel.
 *
 * tslab 1.0.22 fixes its compiler options and takes the file system as it is. What stands in our way is changed here, in the
 * TypeScript that tslab is handed, and nowhere else:
 * - `stateline` resolves to this package from any folder; Node's types are found in a hoisted install too (tslab issue 48);
 * - packages that only have an `exports` map resolve (`moduleResolution: bundler`, which TypeScript has since 5.0);
 * - nothing watches files: tslab's watchers wedge it when a package is installed (tslab issue 97). The user's own files are
 *   looked at before a cell is compiled instead;
 * - a cell stays an ES module with a source map, because our executor makes the function of it (cell-function.ts);
 * - the program is built without the record of what each file affects, which took most of a small cell's time;
 * - declaration errors (4xxx, "cannot be named") do not refuse a cell that is right.
 */
import { join } from "node:path";
import type * as ts from "@tslab/typescript-for-tslab";
import type { Converter } from "tslab/dist/converter";
import { isSyntax } from "./diagnostics";
import { libAdditions } from "./lib-additions";
import { packageRoot } from "../api/package-root";
import { nodeTypesRoot, requireFromTslab } from "./tslab-package";

export type TypeScript = typeof ts;

export interface TslabCompiler {
  readonly typescript: TypeScript;
  /** A fresh converter; takes about a second. */
  createConverter(): Converter;
  /** What `convert` gives when errors of types are left out of account. */
  withoutTypeErrors<T>(convert: () => T): T;
  /** Tells the converter which of the user's files changed since the last call. */
  noticeChangedFiles(): void;
  /** TypeScript for the type of a variable of the cell that was converted last. */
  typeOf(name: string): string;
}

/** Fork's internals that are not in its declarations. */
interface Internals {
  getPreEmitDiagnosticsOfFiles(program: ts.Program, files: readonly ts.SourceFile[]): readonly ts.Diagnostic[];
}

type SourceFileWithLocals = ts.SourceFile & { readonly locals?: ReadonlyMap<string, ts.Symbol> };

/** Fork's internal record of a file's imports. */
type SourceFileWithModules = ts.SourceFile & {
  readonly resolvedModules?: {
    forEach(visit: (resolution: { readonly resolvedModule?: ts.ResolvedModuleFull }) => void): void;
  };
};

/** tslab's name for the cell. */
const CELL_FILE = "__tslab__.ts";

interface WatchedFile {
  readonly notify: ts.FileWatcherCallback;
  modified: number;
}

/** Where the compiler finds `libAdditions`; there is no such file. */
const libAdditionsPath = (): string => join(packageRoot(), "lib.additions.d.ts");

const isDeclarationDiagnostic = (code: number): boolean => code >= 4000 && code < 5000;

/** Loads tslab's converter for cells that run in `cwd`. */
export function loadTslab(cwd: string): TslabCompiler {
  const load = requireFromTslab();
  const compilerPath = load.resolve("@tslab/typescript-for-tslab");
  const typescript = load(compilerPath) as TypeScript & Internals;
  const watched = new Map<string, WatchedFile>();
  const sys = systemFor(typescript, cwd, watched);
  let program: ts.Program | undefined;
  let onlySyntax = false;

  const adapted = {
    ...typescript,
    sys,
    createWatchCompilerHost: (
      files: readonly string[],
      options: ts.CompilerOptions,
      system: ts.System,
      _builder: unknown,
      ...rest: readonly unknown[]
    ): unknown =>
      (typescript.createWatchCompilerHost as (...all: readonly unknown[]) => unknown)(
        [...files, libAdditionsPath()],
        {
          ...options,
          moduleResolution: typescript.ModuleResolutionKind.Bundler,
          lib: ["lib.esnext.d.ts"],
          types: ["node"],
          inlineSourceMap: true,
        },
        system,
        plainBuilder(typescript),
        ...rest,
      ),
    createWatchProgram: (host: ts.WatchCompilerHostOfFilesAndCompilerOptions<ts.BuilderProgram>): unknown => {
      const theirs = host.afterProgramCreate?.bind(host);
      host.afterProgramCreate = (created): void => {
        program = created.getProgram();
        theirs?.(created);
      };
      return typescript.createWatchProgram(host);
    },
    getPreEmitDiagnosticsOfFiles: (program: ts.Program, files: readonly ts.SourceFile[]): readonly ts.Diagnostic[] =>
      typescript
        .getPreEmitDiagnosticsOfFiles(program, files)
        .filter((diagnostic) => !isDeclarationDiagnostic(diagnostic.code) && (!onlySyntax || isSyntax(diagnostic))),
    // The converter's last step, ES module to CommonJS, is cell-function.ts's.
    transpileModule: (input: string): ts.TranspileOutput => ({ outputText: input }),
  };
  const cached = require.cache[compilerPath];
  if (cached === undefined) throw new Error(`${compilerPath} is not in the module cache`);
  cached.exports = adapted;
  const { createConverter } = load("tslab/dist/converter") as { readonly createConverter: () => Converter };
  cached.exports = typescript;

  return {
    typescript,
    createConverter(): Converter {
      watched.clear();
      return createConverter();
    },
    typeOf(name: string): string {
      const file = program?.getSourceFile(join(cwd, CELL_FILE)) as SourceFileWithLocals | undefined;
      const symbol = file?.locals?.get(name);
      if (program === undefined || file === undefined || symbol === undefined) return "any";
      const checker = program.getTypeChecker();
      const type = checker.getTypeOfSymbolAtLocation(symbol, file);
      return checker.typeToString(type, undefined, typescript.TypeFormatFlags.NoTruncation);
    },
    withoutTypeErrors(convert) {
      onlySyntax = true;
      try {
        return convert();
      } finally {
        onlySyntax = false;
      }
    },
    noticeChangedFiles(): void {
      for (const [path, file] of watched) {
        const modified = modifiedTime(typescript, path);
        if (modified === file.modified) continue;
        file.modified = modified;
        const { Changed, Deleted } = typescript.FileWatcherEventKind;
        file.notify(path, modified === 0 ? Deleted : Changed);
      }
    },
  };
}

/**
 * A program that keeps no record of what each file affects. TypeScript's default goes through all files and all their
 * imports for it whenever a cell is compiled; the converter asks only for the files that a cell imports.
 */
function plainBuilder(typescript: TypeScript): ts.CreateProgram<ts.BuilderProgram> {
  return (...given) => {
    const builder = typescript.createAbstractBuilder(...given);
    builder.getProgram().getTypeChecker(); // finds the names in the files: the converter looks at those of the cell
    return Object.assign(builder, {
      getAllDependencies: (file: ts.SourceFile): string[] => importedFiles(builder.getProgram(), file),
    });
  };
}

/** `file` and the user's own files (no declarations) that it imports, and those import. */
function importedFiles(program: ts.Program, file: ts.SourceFile): string[] {
  const found = new Set([file]);
  for (const { resolvedModules } of found as Set<SourceFileWithModules>)
    resolvedModules?.forEach(({ resolvedModule }) => {
      const imported = resolvedModule && program.getSourceFile(resolvedModule.resolvedFileName);
      if (imported?.isDeclarationFile === false) found.add(imported);
    });
  return [...found].map(({ fileName }) => fileName);
}

function modifiedTime(typescript: TypeScript, path: string): number {
  return typescript.sys.getModifiedTime?.(path)?.getTime() ?? 0;
}

/** TypeScript's file system as a cell in `cwd` should see it. */
function systemFor(typescript: TypeScript, cwd: string, watched: Map<string, WatchedFile>): ts.System {
  const real = typescript.sys;
  const root = packageRoot();
  const places: readonly (readonly [string, string])[] = [
    [join(cwd, "node_modules", "stateline"), root],
    [join(requireFromTslab().resolve("tslab/package.json"), "..", "node_modules", "@types"), nodeTypesRoot()],
  ];
  const place = (path: string): string => {
    for (const [from, to] of places)
      if (path === from || path.startsWith(`${from}/`)) return to + path.slice(from.length);
    return path;
  };
  const sys = Object.create(real) as ts.System;
  const additions = libAdditionsPath();
  sys.fileExists = (path) => path === additions || real.fileExists(place(path));
  sys.readFile = (path, encoding) => (path === additions ? libAdditions : real.readFile(place(path), encoding));
  sys.directoryExists = (path) => real.directoryExists(place(path));
  sys.getDirectories = (path) => real.getDirectories(place(path));
  sys.realpath = (path) => real.realpath?.(place(path)) ?? place(path);
  sys.watchDirectory = () => ({ close: () => undefined });
  sys.watchFile = (path, notify) => {
    const ours = path.startsWith(`${root}/dist/`) || path === additions;
    if (!ours && !path.includes("/node_modules/"))
      watched.set(path, { notify, modified: modifiedTime(typescript, path) });
    return { close: () => void watched.delete(path) };
  };
  return sys;
}
