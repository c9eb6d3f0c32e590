/** What the compiler knows about a name, as Jupyter shows it. */
import type { Inspection, MimeBundle } from "../worker/messages";

export function inspectionBundle({ signature, documentation }: Inspection): MimeBundle {
  const text = documentation === "" ? signature : `${signature}\n\n${documentation}`;
  const markdown = `\`\`\`typescript\n${signature}\n\`\`\`${documentation === "" ? "" : `\n\n${documentation}`}`;
  return { "text/plain": text, "text/markdown": markdown };
}

/** The name in a cell that is a question: `?name`, `??name`, `name?` or `name??`; none of them is TypeScript. */
export function helpTarget(code: string): string | undefined {
  const match = /^(?:\?{1,2}\s*([\w$.]+)|([\w$.]+)\?{1,2})$/.exec(code.trim());
  return match?.[1] ?? match?.[2];
}
