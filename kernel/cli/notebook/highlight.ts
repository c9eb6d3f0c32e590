/** TypeScript in colours: comments, texts, numbers and keywords, which is what a reader of a tutorial needs. */

import { escapeHtml } from "../../api/draw/table";

const KEYWORDS =
  "abstract|as|async|await|break|case|catch|class|const|continue|declare|default|delete|do|else|enum|export|extends|false|finally|for|from|function|if|implements|import|in|instanceof|interface|keyof|let|namespace|new|null|of|private|protected|public|readonly|return|satisfies|static|super|switch|this|throw|true|try|type|typeof|undefined|using|var|void|while|yield";

const TOKENS = new RegExp(
  [
    /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|^%{1,2}\w+[^\n]*)/,
    /(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`)/,
    /(?<number>\b\d[\w.]*)/,
    new RegExp(`(?<keyword>(?<![.\\w$])(?:${KEYWORDS})(?![\\w$]))`),
  ]
    .map(({ source }) => source)
    .join("|"),
  "gm",
);

/** HTML for a piece of TypeScript: spans of class comment, string, number, keyword. */
export function highlight(source: string): string {
  let html = "";
  let position = 0;
  for (const match of source.matchAll(TOKENS)) {
    const [kind] = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined) ?? [];
    html += `${escapeHtml(source.slice(position, match.index))}<span class="${kind ?? ""}">${escapeHtml(match[0])}</span>`;
    position = match.index + match[0].length;
  }
  return html + escapeHtml(source.slice(position));
}
