/**
 * The programs that cells are checked in, one after the other, in the place of TypeScript's watch program.
 *
 * A program costs most of the time that a small cell takes: its checker merges the names of some hundred files anew. What
 * cells are checked against changes seldom, so a cell that brings nothing with it (no import, no declaration for others) is
 * checked by the program that is there, as a file beside it; any other has a program of its own.
 *
 * Nothing watches files: tslab's watchers wedge it when a package is installed (tslab issue 97). `watchFile` of the host
 * only says where to hear of a change.
 */
import type * as ts from "@tslab/typescript-for-tslab";
import type { TypeScript } from "./tslab-compiler";

export type ConverterHost = ts.WatchCompilerHostOfFilesAndCompilerOptions<ts.BuilderProgram>;

/** The fork's internals that are not in its declarations. */
interface Internals {
  bindSourceFile(file: ts.SourceFile, options: ts.CompilerOptions): void;
}

/** A file's fields that programs fill in. */
interface FileOfProgram extends ts.SourceFile {
  readonly resolvedModules?: {
    forEach(visit: (resolution: { readonly resolvedModule?: ts.ResolvedModuleFull }) => void): void;
  };
}

/** Cells that one program checks: each leaves its types in the checker. */
const MOST_CELLS = 200;

export class CellPrograms {
  readonly #typescript: TypeScript & Internals;
  readonly #host: ConverterHost;
  readonly #compilerHost: ts.CompilerHost;
  readonly #declarationsFile: string;
  readonly #cellFile: string;
  readonly #sources = new Map<string, FileOfProgram>();
  #program: ts.Program | undefined;
  #cell: ts.SourceFile | undefined;
  /** What the program knows of earlier cells; undefined when the next cell needs a program of its own. */
  #declarations: string | undefined;
  #cells = 0;

  /** Serves the converter that made `host`. */
  constructor(typescript: TypeScript, host: ConverterHost) {
    this.#typescript = typescript as TypeScript & Internals;
    this.#host = host;
    [this.#declarationsFile = "", this.#cellFile = ""] = host.rootFiles;
    this.#compilerHost = {
      ...host,
      getSourceFile: (path, options) => this.#sourceFile(path, options),
      getCanonicalFileName: (name) => name,
      writeFile: () => undefined,
      // A module that could not be found may have been installed since.
      hasInvalidatedResolutions: (path) => lacksModule(this.#sources.get(path)),
    };
    host.watchFile(this.#declarationsFile, () => undefined);
    // The converter runs the callback when it has said what has changed.
    host.watchFile(this.#cellFile, () => void host.setTimeout?.(() => this.#update(), 0));
    this.#update();
  }

  get program(): ts.Program | undefined {
    return this.#program;
  }

  /** The cell as it was read last. */
  get cell(): ts.SourceFile | undefined {
    return this.#cell;
  }

  /** The next cell gets a new program: of an error that a checker has seen before it says less. */
  renew(): void {
    this.#declarations = undefined;
  }

  #update(): void {
    const text = this.#read(this.#cellFile) ?? "";
    const declarations = this.#host.readFile(this.#declarationsFile) ?? "";
    const alone = this.#standsAlone(text);
    let program = this.#program;
    if (program !== undefined && alone && declarations === this.#declarations && this.#cells < MOST_CELLS) {
      this.#cell = this.#beside(text);
    } else {
      program = this.#build();
      this.#cell = program.getSourceFile(this.#cellFile);
      forgetAugmentations(this.#cell);
      this.#program = program;
      this.#declarations = alone ? declarations : undefined;
      this.#cells = 0;
    }
    if (this.#redeclares(program)) {
      // The converter takes the earlier declaration out of the file, whose text may come again.
      this.#sources.delete(this.#declarationsFile);
      this.#declarations = undefined;
    }
    this.#host.afterProgramCreate?.(this.#builder(program, this.#cell));
  }

  #build(): ts.Program {
    const { options, rootFiles: rootNames } = this.#host;
    const oldProgram = this.#program === undefined ? {} : { oldProgram: this.#program };
    const program = this.#typescript.createProgram({ rootNames, options, host: this.#compilerHost, ...oldProgram });
    program.getTypeChecker(); // finds the names in the files: the converter looks at those of the cell
    return program;
  }

  /** The cell as a file beside the program. */
  #beside(text: string): ts.SourceFile {
    const file = this.#parse(this.#cellFile, text);
    Object.assign(file, {
      // By its path a program knows what it has said of a file.
      path: `${this.#cellFile}#${++this.#cells}`,
      resolvedPath: this.#cellFile,
      originalFileName: this.#cellFile,
      imports: [],
      moduleAugmentations: [],
      ambientModuleNames: [],
    });
    this.#typescript.bindSourceFile(file, this.#host.options);
    return file;
  }

  /** What the converter asks of a program, and of nothing more: the record of what each file affects takes long to keep. */
  #builder(program: ts.Program, cell: ts.SourceFile | undefined): ts.BuilderProgram {
    const builder: Pick<ts.BuilderProgram, "getProgram" | "getSourceFile" | "emit" | "getAllDependencies"> = {
      getProgram: () => program,
      getSourceFile: (name) => (name === this.#cellFile ? cell : program.getSourceFile(name)),
      emit: (...all) => program.emit(...all),
      getAllDependencies: (file) => importedFiles(program, file),
    };
    return builder as ts.BuilderProgram;
  }

  #sourceFile(path: string, options: ts.ScriptTarget | ts.CreateSourceFileOptions): ts.SourceFile | undefined {
    const known = this.#sources.get(path);
    const changes = path === this.#cellFile || path === this.#declarationsFile;
    if (known !== undefined && !changes) return known;
    const text = this.#read(path);
    if (text === undefined) return undefined;
    if (known?.text === text) return known;
    const file = this.#parse(path, text, options);
    this.#sources.set(path, file);
    if (!changes)
      this.#host.watchFile(path, () => {
        this.#sources.delete(path);
        this.#declarations = undefined;
      });
    return file;
  }

  /**
   * A file's text. The converter ends the cell's with an export of its names as the binder keeps them: there `__name` has
   * one more underscore.
   */
  #read(path: string): string | undefined {
    const text = this.#host.readFile(path);
    if (path !== this.#cellFile) return text;
    return text?.replace(/\nexport \{[^{}]*\}$/, (names) => names.replace(/(?<=[{ ])___/g, "__"));
  }

  #parse(
    path: string,
    text: string,
    options: ts.ScriptTarget | ts.CreateSourceFileOptions = this.#host.options.target ?? 0,
  ): ts.SourceFile {
    return this.#typescript.createSourceFile(path, text, options);
  }

  #redeclares(program: ts.Program): boolean {
    const earlier = program.getSourceFile(this.#declarationsFile)?.locals;
    return namesIn(this.#cell).some((name) => earlier?.has(name));
  }

  /** Whether a cell neither names other files nor declares anything outside of itself. */
  #standsAlone(text: string): boolean {
    const info = this.#typescript.preProcessFile(text, true, false);
    const named = [info.importedFiles, info.referencedFiles, info.typeReferenceDirectives, info.libReferenceDirectives];
    return named.every(({ length }) => length === 0) && !/\bdeclare\b/.test(text);
  }
}

/** `file` and the user's own files (no declarations) that it imports, and those import. */
function importedFiles(program: ts.Program, file: ts.SourceFile): string[] {
  const found = new Set([file]);
  for (const { resolvedModules } of found as Set<FileOfProgram>)
    resolvedModules?.forEach(({ resolvedModule }) => {
      const imported = resolvedModule && program.getSourceFile(resolvedModule.resolvedFileName);
      if (imported?.isDeclarationFile === false) found.add(imported);
    });
  return [...found].map(({ fileName }) => fileName);
}

function namesIn(file: ts.SourceFile | undefined): readonly ts.__String[] {
  return [...(file?.locals?.keys() ?? [])];
}

/** `declare global` and `declare module "x"` are among a file's names, but the converter must not export them. */
function forgetAugmentations(cell: ts.SourceFile | undefined): void {
  for (const name of namesIn(cell)) if (/^(__global$|")/.test(String(name))) cell?.locals?.delete(name);
}

function lacksModule(file: FileOfProgram | undefined): boolean {
  let lacks = false;
  file?.resolvedModules?.forEach(({ resolvedModule }) => (lacks ||= resolvedModule === undefined));
  return lacks;
}
