/** What TypeScript knows about a name, as a notebook shows it: a signature, and documentation in Markdown. */
import type * as ts from "@tslab/typescript-for-tslab";
import type { Inspection } from "./compiled-cell";

const textOf = (parts: readonly ts.SymbolDisplayPart[] | undefined): string =>
  (parts ?? []).map(({ text }) => text).join("");

/** Undefined for a name that nobody has declared. */
export function describe({ displayParts, documentation, tags }: ts.QuickInfo): Inspection | undefined {
  const text = textOf(displayParts);
  if (text === "" || text === "any") return undefined;
  const paragraphs = [textOf(documentation), ...(tags ?? []).map(describeTag)];
  return { signature: signature(text), documentation: paragraphs.filter(Boolean).join("\n\n") };
}

/** A name that was imported is what it names: how it came into the cell says nothing. */
function signature(text: string): string {
  if (!text.startsWith("(alias) ")) return text;
  return text.replace("(alias) ", "").replace(/\n(?:import|export) [^\n]*$/, "");
}

function describeTag({ name, text }: ts.JSDocTagInfo): string {
  const content = textOf(text);
  return name === "example" ? `\`\`\`typescript\n${content}\n\`\`\`` : `*@${name}* ${content}`;
}

/** Whether a signature is that of a module that was imported as a whole. */
export const isModule = (signature: string): boolean => /^(?:module|namespace|import) /.test(signature);
