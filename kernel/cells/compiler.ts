/** Compiles cells, one after the other: types and values of earlier cells are known in later ones. */
import type { Converter, ConvertResult } from "tslab/dist/converter";
import type {
  CompiledCell,
  CompileReply,
  Completeness,
  Completion,
  ErrorReport,
  Inspection,
  SideModule,
} from "./compiled-cell";
import { cellFunction, type CellFunction } from "./cell-function";
import { completeness } from "./completeness";
import { diagnosticsReport, isSyntax } from "./diagnostics";
import { LITERAL, liftLiterals, type Span } from "./large-literals";
import { completeMagic, inspectMagic, readMagics, type CellMagic } from "./magics";
import { blankModuleSyntax } from "./module-syntax";
import { enclosingCallee } from "./enclosing-call";
import { describe, isModule } from "./quick-info";
import { keptNamespaces } from "./kept-namespaces";
import { loadTslab, type TslabCompiler } from "./tslab-compiler";
import { optsOut, type TypeErrors } from "./type-errors";

/** What tslab puts on a line of its own before a cell. */
const PREFIX = "export {};\n";
const PREFIX_LINES = 1;

export class CellCompiler {
  readonly #tslab: TslabCompiler;
  readonly #typeErrors: TypeErrors | ErrorReport;
  readonly #converter: Converter;
  /** Of the cells so far. */
  declarations = "";

  /** Takes about a second, most of it to read TypeScript's libraries. */
  constructor(cwd: string, typeErrors: TypeErrors | ErrorReport) {
    this.#typeErrors = typeErrors;
    this.#tslab = loadTslab(cwd);
    this.#converter = this.#tslab.createConverter();
    this.#converter.convert("", "1"); // the first conversion is slow: have it behind us
  }

  /** @param keep Later cells see what this one declares, also when it fails half-way, as in other kernels. */
  compile(source: string, keep: boolean): CompileReply {
    if (typeof this.#typeErrors === "object") return { kind: "refused", error: this.#typeErrors };
    const text = readMagics(source);
    switch (text.kind) {
      case "typescript":
        return this.#compile(source, text.source, text.magics, keep);
      case "bash":
        return { kind: "compiled", cell: plainCell(source, `await $magics.bash(${JSON.stringify(text.script)});`) };
      case "help":
        return { kind: "compiled", cell: plainCell(source, "$cell.value = $magics.help;") };
      case "wrong":
        return { kind: "refused", error: text.error };
    }
  }

  /** @param text `source` without its magics. */
  #compile(source: string, text: string, magics: readonly CellMagic[], keep: boolean): CompileReply {
    this.#tslab.noticeChangedFiles();
    let { text: lifted, literals } = liftLiterals(text);
    let result = this.#convert(lifted);
    if (literals.length > 0 && errorsOf(result).some(isSyntax)) {
      [lifted, literals] = [text, []]; // one of them stands where only syntax of its own can
      result = this.#convert(lifted);
    }
    const errors = errorsOf(result);
    const report = errors.length > 0 ? diagnosticsReport(source, errors) : undefined;
    const typeErrors = optsOut(text) ? "off" : this.#typeErrors;
    if (report !== undefined) {
      this.#tslab.renewProgram();
      if (typeErrors === "error" || errors.some(isSyntax)) return { kind: "refused", error: report };
      result = this.#tslab.withoutTypeErrors(() => this.#convert(lifted));
    }
    const { cell, names, hoisted } = this.#executable(source, magics, literals, result);
    if (keep) {
      const text = declarations(result, names) + this.#hoistedDeclarations(result, hoisted);
      this.declarations = text + keptNamespaces(this.#tslab.typescript, this.declarations, text, names);
    }
    const warning = typeErrors === "warn" && report !== undefined ? report.traceback.join("\n") : undefined;
    return { kind: "compiled", cell, ...(warning === undefined ? {} : { warning }) };
  }

  #convert(text: string): ConvertResult {
    return this.#converter.convert(this.declarations, blankModuleSyntax(this.#tslab.typescript, text));
  }

  /** Candidates at a position; those that begin as what is typed come first and alone. */
  complete(source: string, offset: number): Completion {
    const magic = completeMagic(source, offset);
    if (magic !== undefined)
      return { start: magic.start, end: offset, matches: magic.names.map((text) => ({ text, type: "magic" })) };
    const text = typescriptOf(source);
    if (text === undefined) return { start: offset, end: offset, matches: [] };
    this.#tslab.noticeChangedFiles();
    const completion = this.#converter.complete(this.declarations, text, offset);
    this.#tslab.renewProgram();
    const { original } = completion;
    const { start, end } = completion.start < completion.end ? completion : wordInString(text, offset, original);
    const typed = source.slice(start, offset);
    // The converter compares with names as the binder keeps them: those that begin with `__` it does not find.
    const candidates = typed.startsWith("__")
      ? (original?.entries.map(({ name }) => name) ?? [])
      : completion.candidates;
    const same = candidates.filter((name) => name.startsWith(typed));
    const kinds = new Map(original?.entries.map(({ name, kind }) => [name, String(kind)]));
    const shown = (same.length > 0 ? same : candidates).filter((name) => name !== LITERAL);
    const matches = shown.map((text) => ({ text, type: kinds.get(text) ?? "" }));
    return { start, end, matches };
  }

  /** What the compiler knows about the name at a position. */
  inspect(source: string, offset: number): Inspection | undefined {
    const text = typescriptOf(source);
    if (text === undefined || text !== source) {
      const magic = inspectMagic(source, offset);
      if (magic !== undefined || text === undefined) return magic;
    }
    this.#tslab.noticeChangedFiles();
    this.#tslab.renewProgram();
    // Behind a name counts as on it, as in `foo|(`; beside names it is the call's.
    const callee = enclosingCallee(this.#tslab.typescript, text, offset) ?? 0;
    for (const position of [offset, offset - 1, callee - 1]) {
      if (position < 0) continue;
      const info = this.#converter.inspect(this.declarations, text, position);
      const described = info && describe(info);
      if (described === undefined) continue;
      if (!isModule(described.signature)) return described;
      const end = info.textSpan.start + info.textSpan.length;
      const { candidates } = this.#converter.complete(this.declarations, `${text.slice(0, end)}.`, end + 1);
      return { ...described, documentation: candidates.map((name) => `\`${name}\``).join(" ") };
    }
    return undefined;
  }

  isComplete(source: string): Completeness {
    const text = readMagics(source);
    if (text.kind === "typescript" && (text.magics.length === 0 || text.source.trim() !== ""))
      return completeness(this.#tslab.typescript, liftLiterals(text.source).text);
    // What a console cannot know to be whole ends with a blank line, as in IPython.
    const whole = text.kind === "help" || text.kind === "wrong" || /\n[ \t]*\n?$/.test(source);
    return whole ? { status: "complete" } : { status: "incomplete", indent: "" };
  }

  /** Makes ready for the next cell, so that it need not wait for a program that knows the last one's declarations. */
  prepare(): void {
    this.#converter.inspect(this.declarations, "", 0);
  }

  #hoistedDeclarations(result: ConvertResult, hoisted: readonly string[]): string {
    if (lacksDeclarations(result)) return ""; // they are among the names of any type
    return hoisted.map((name) => `\ndeclare let ${name}: ${this.#tslab.typeOf(name)};`).join("");
  }

  #executable(
    source: string,
    magics: readonly CellMagic[],
    literals: readonly Span[],
    result: ConvertResult,
  ): { cell: CompiledCell } & Pick<CellFunction, "names" | "hoisted"> {
    const { text, map } = splitInlineMap(result.output ?? "");
    const made = cellFunction(this.#tslab.typescript, text, result.lastExpressionVar);
    const cell = {
      source,
      javascript: made.javascript,
      hasAwait: made.hasAwait,
      imports: made.imports,
      magics,
      literals,
      sideModules: (result.sideOutputs ?? []).map((side) => this.#sideModule(side.path, side.data)),
      maps: { code: made.map, edits: made.edits, module: map, prefixLines: PREFIX_LINES },
    };
    return { cell, names: made.names, hoisted: made.hoisted };
  }

  #sideModule(path: string, module: string): SideModule {
    const { typescript } = this.#tslab;
    const { outputText } = typescript.transpileModule(splitInlineMap(module).text, {
      fileName: path,
      compilerOptions: {
        module: typescript.ModuleKind.CommonJS,
        target: typescript.ScriptTarget.ES2022,
        esModuleInterop: true,
      },
    });
    return { path, javascript: outputText };
  }
}

/** What a completion replaces where no name of the language stands: in a string, as `'node:f|'` and `o['al|']`. */
function wordInString(
  text: string,
  offset: number,
  info: ReturnType<Converter["complete"]>["original"],
): { readonly start: number; readonly end: number } {
  const inEntries = info?.entries[0]?.replacementSpan; // counts tslab's own line, where the other does not
  if (inEntries !== undefined) {
    const start = inEntries.start - PREFIX.length;
    return { start, end: start + inEntries.length };
  }
  const span = info?.optionalReplacementSpan;
  if (span !== undefined) return { start: span.start, end: span.start + span.length };
  const word = /[\w$]*$/.exec(text.slice(0, offset))?.[0] ?? "";
  return { start: offset - word.length, end: offset };
}

/** The TypeScript of a cell as the compiler has it, with the same positions; undefined for a cell that has none. */
function typescriptOf(source: string): string | undefined {
  const text = readMagics(source);
  return text.kind === "typescript" ? liftLiterals(text.source).text : undefined;
}

function errorsOf({ diagnostics }: ConvertResult): ConvertResult["diagnostics"] {
  return diagnostics.filter(({ category }) => category === ERROR_CATEGORY);
}

/** A cell of our own JavaScript. */
function plainCell(source: string, javascript: string): CompiledCell {
  const maps = { code: "", edits: [], module: "", prefixLines: PREFIX_LINES };
  return { source, javascript, hasAwait: true, imports: [], sideModules: [], magics: [], literals: [], maps };
}

/** `ts.DiagnosticCategory.Error`. */
const ERROR_CATEGORY = 1;

/**
 * Declarations for later cells. When a type of this cell cannot be named, the converter has only those of earlier cells,
 * behind the word "undefined": this cell's names are of any type then.
 */
function declarations(result: ConvertResult, names: readonly string[]): string {
  const text = result.declOutput ?? "";
  if (!lacksDeclarations(result)) return text;
  return text.slice("undefined".length) + names.map((name) => `\ndeclare let ${name}: any;`).join("");
}

function lacksDeclarations({ declOutput }: ConvertResult): boolean {
  return declOutput?.startsWith("undefined") === true;
}

function splitInlineMap(output: string): { text: string; map: string } {
  const match = /\n?\/\/# sourceMappingURL=data:application\/json;base64,([A-Za-z0-9+/=]+)\s*$/.exec(output);
  if (match === null) return { text: output, map: "" };
  return { text: output.slice(0, match.index), map: Buffer.from(match[1] ?? "", "base64").toString("utf8") };
}
