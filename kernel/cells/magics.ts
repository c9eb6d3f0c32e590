/** Magics: first lines of a cell that begin with `%` and say how the rest of it is run. No TypeScript begins so. */
import type { ErrorReport, Inspection, MimeBundle } from "./compiled-cell";
import { red } from "./excerpt";

/** What is done around a cell's TypeScript. */
export type CellMagic = { readonly kind: "time" } | { readonly kind: "profile"; readonly label: string };

/** What a cell asks for: TypeScript, perhaps with something around it, a shell script, or help. */
export type CellText =
  | {
      readonly kind: "typescript";
      /** The cell with blanks where its magics stand: every position is what it was. */
      readonly source: string;
      readonly magics: readonly CellMagic[];
    }
  | { readonly kind: "bash"; readonly script: string }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly error: ErrorReport };

const known: readonly { readonly name: string; readonly usage: string; readonly does: string }[] = [
  {
    name: "%%profile",
    usage: "%%profile [label]",
    does: "records what the engine does while the cell runs, keeps it as a run, and shows its timeline and summary",
  },
  { name: "%%time", usage: "%%time", does: "says how long the cell took, and how much processor time" },
  { name: "%%bash", usage: "%%bash", does: "runs the lines below it in bash, in the notebook's folder" },
  { name: "%help", usage: "%help", does: "shows this list" },
];

/** Reads the magics at the top of a cell. */
export function readMagics(source: string): CellText {
  const magics: CellMagic[] = [];
  const lines = source.split("\n");
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const [, name, argument = ""] = /^\s*(%+\S*)\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined) break;
    if (name !== "%%profile" && argument !== "" && isKnown(name)) return wrong(`${name} takes no argument`);
    if (name === "%%time") magics.push({ kind: "time" });
    else if (name === "%%profile") magics.push({ kind: "profile", label: argument });
    else if (name === "%%bash" && magics.length === 0)
      return { kind: "bash", script: lines.slice(index + 1).join("\n") };
    else if (name === "%%bash") return wrong("%%bash stands alone: no other magic goes before it");
    else if (name === "%help") return { kind: "help" };
    else return wrong(`there is no magic ${name}; there are ${known.map(({ usage }) => usage).join(", ")}`);
    lines[index] = " ".repeat(line.length);
  }
  return { kind: "typescript", source: lines.join("\n"), magics };
}

/** Names of magics that begin as what is typed before `offset`; undefined where TypeScript is being typed. */
export function completeMagic(source: string, offset: number): { start: number; names: string[] } | undefined {
  const typed = /(?:^|\n)[ \t]*(%+\w*)$/.exec(source.slice(0, offset))?.[1];
  if (typed === undefined || !isMagicLine(source, offset)) return undefined;
  const names = known.map(({ name }) => name).filter((name) => name.startsWith(typed));
  return { start: offset - typed.length, names };
}

export function inspectMagic(source: string, offset: number): Inspection | undefined {
  if (!isMagicLine(source, offset)) return undefined;
  const begin = source.lastIndexOf("\n", offset - 1) + 1;
  const word = /^\s*(%+\w*)/.exec(source.slice(begin))?.[1];
  const magic = known.find(({ name }) => name === word);
  return magic === undefined ? undefined : { signature: magic.usage, documentation: sentence(magic.does) };
}

/** What `%help` shows. */
export function helpBundle(): MimeBundle {
  const rows: readonly (readonly [string, string])[] = [
    ...known.map(({ usage, does }) => [usage, sentence(does)] as const),
    ["name?", "What is known about a name: its type and documentation. Shift+Tab shows the same while typing."],
    ['import * as stateline from "stateline"', "Models, profiles and runs; `stateline?` shows what there is."],
    ['import { display } from "tslab"', "display.html(text), .markdown, .svg, .png(bytes), … show rich output."],
    ["await input(question)", "Asks for a line of text; with { password: true } it is not shown."],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return {
    "text/plain": rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join("\n"),
    "text/markdown": ["| | |", "|:--|:--|", ...rows.map(([name, text]) => `| \`${name}\` | ${text} |`)].join("\n"),
  };
}

/** Whether only magics and blank lines stand above the line of `offset`. */
function isMagicLine(source: string, offset: number): boolean {
  const lines = source.slice(0, offset).split("\n");
  return lines.every((line) => /^\s*(%|$)/.test(line));
}

function isKnown(name: string): boolean {
  return known.some((magic) => magic.name === name);
}

function wrong(evalue: string): CellText {
  return {
    kind: "wrong",
    error: { ename: "MagicError", evalue, traceback: [`${red("MagicError")}: ${evalue}`] },
  };
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
