/**
 * tslab's converter on a TypeScript that suits a kernel.
 *
 * tslab 1.0.22 fixes its compiler options and takes the file system as it is. What stands in our way is changed here, in the
 * TypeScript that tslab is handed, and nowhere else:
 * - `stateline` resolves to this package from any folder; Node's types are found in a hoisted install too (tslab issue 48);
 * - packages that only have an `exports` map resolve (`moduleResolution: bundler`, which TypeScript has since 5.0);
 * - cells share a program as long as they can, and nothing watches files (cell-programs.ts): the user's own are looked at
 *   before a cell is compiled instead;
 * - a cell stays an ES module with a source map, because our executor makes the function of it (cell-function.ts);
 * - declaration errors (4xxx, "cannot be named") do not refuse a cell that is right.
 */
import { join } from "node:path";
import type * as ts from "@tslab/typescript-for-tslab";
import type { Converter } from "tslab/dist/converter";
import { CellPrograms, type ConverterHost } from "./cell-programs";
import { isSyntax } from "./diagnostics";
import { libAdditions } from "./lib-additions";
import { packageRoot } from "../api/package-root";
import { nodeTypesRoot, requireFromTslab } from "./tslab-package";

export type TypeScript = typeof ts;

export interface TslabCompiler {
  readonly typescript: TypeScript;
  /** Takes about a second. */
  createConverter(): Converter;
  /** What `convert` gives when errors of types are left out of account. */
  withoutTypeErrors<T>(convert: () => T): T;
  /** The next cell is checked by a new program: of an error that a checker has seen before it says less. */
  renewProgram(): void;
  /** Tells the converter which of the user's files changed since the last call. */
  noticeChangedFiles(): void;
  /** TypeScript for the type of a variable of the cell that was converted last. */
  typeOf(name: string): string;
}

type SourceFileWithLocals = ts.SourceFile & { readonly locals?: ReadonlyMap<string, ts.Symbol> };

interface WatchedFile {
  readonly notify: ts.FileWatcherCallback;
  modified: number;
}

/** Where the compiler finds `libAdditions`; there is no such file. */
const libAdditionsPath = (): string => join(packageRoot(), "lib.additions.d.ts");

/** Loads tslab's converter for cells that run in `cwd`. */
export function loadTslab(cwd: string): TslabCompiler {
  const load = requireFromTslab();
  const compilerPath = load.resolve("@tslab/typescript-for-tslab");
  const typescript = load(compilerPath) as TypeScript;
  const watched = new Map<string, WatchedFile>();
  const sys = systemFor(typescript, cwd, watched);
  let programs: CellPrograms | undefined;
  let onlySyntax = false;

  const adapted = {
    ...typescript,
    sys,
    createWatchCompilerHost: (
      files: readonly string[],
      options: ts.CompilerOptions,
      system: ts.System,
      builder: unknown,
      ...rest: readonly unknown[]
    ): unknown =>
      (typescript.createWatchCompilerHost as (...all: readonly unknown[]) => unknown)(
        [...files, libAdditionsPath()],
        {
          ...options,
          moduleResolution: typescript.ModuleResolutionKind.Bundler,
          allowImportingTsExtensions: true,
          lib: ["lib.esnext.d.ts"],
          types: ["node"],
          inlineSourceMap: true,
        },
        system,
        builder,
        ...rest,
      ),
    createWatchProgram: (host: ConverterHost): { close(): void } => {
      programs = new CellPrograms(typescript, host);
      return { close: () => undefined };
    },
    getPreEmitDiagnosticsOfFiles: (program: ts.Program, files: readonly ts.SourceFile[]): readonly ts.Diagnostic[] =>
      typescript
        .sortAndDeduplicateDiagnostics([
          ...program.getOptionsDiagnostics(),
          ...program.getGlobalDiagnostics(),
          ...files.flatMap((file) =>
            // A checker keeps what it has said of earlier cells, which had the same name.
            [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].filter(
              (diagnostic) => diagnostic.file === file,
            ),
          ),
        ])
        .filter((diagnostic) => !onlySyntax || isSyntax(diagnostic)),
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
    createConverter,
    typeOf(name: string): string {
      const { program, cell } = programs ?? {};
      const symbol = (cell as SourceFileWithLocals | undefined)?.locals?.get(name);
      if (program === undefined || cell === undefined || symbol === undefined) return "any";
      const checker = program.getTypeChecker();
      const type = checker.getTypeOfSymbolAtLocation(symbol, cell);
      return checker.typeToString(type, undefined, typescript.TypeFormatFlags.NoTruncation);
    },
    renewProgram: () => programs?.renew(),
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
