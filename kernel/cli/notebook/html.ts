/** A notebook as one HTML page that needs nothing beside it. Outputs are shown as they are: a notebook is its author's word. */

import { escapeHtml } from "../../api/draw/table";
import { joined, type Cell, type Data, type MultilineText, type Notebook, type Output } from "./format";
import { highlight } from "./highlight";

const STYLE = `
body { margin: 0 auto; max-width: 1000px; padding: 24px 16px 64px; font: 15px/1.55 system-ui, sans-serif; color: #1d2733; background: #fff; }
pre { margin: 0; padding: 10px 12px; overflow-x: auto; font: 13px/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.code { display: grid; grid-template-columns: 56px minmax(0, 1fr); margin: 14px 0; }
.count { color: #6b7580; font: 12px/1.5 ui-monospace, monospace; padding-top: 11px; font-variant-numeric: tabular-nums; }
.source { background: #f5f7f9; border: 1px solid #e0e5e9; border-radius: 6px; }
.outputs { grid-column: 2; overflow-x: auto; }
.outputs > * { margin-top: 8px; }
.stderr, .error { background: #fdf1ef; border-radius: 6px; }
.markdown { margin-left: 56px; }
.markdown code { font: 0.9em ui-monospace, monospace; background: #f0f3f5; padding: 1px 4px; border-radius: 4px; }
.markdown pre code { background: none; padding: 0; }
table { border-collapse: collapse; margin: 8px 0; }
th, td { padding: 3px 10px; border-bottom: 1px solid #e0e5e9; }
img, svg { max-width: 100%; }
a { color: #2a78c6; }
.keyword { color: #1f5c99; } .string { color: #1c7259; } .comment { color: #6b7580; } .number { color: #8a4b1f; }
@media (max-width: 700px) { .code { grid-template-columns: minmax(0, 1fr); } .outputs { grid-column: 1; } .markdown { margin-left: 0; } }
`;

type Markdown = (text: string) => string;

/** @param title Of the page, unless the notebook begins with a heading. */
export async function notebookHtml(notebook: Notebook, title: string): Promise<string> {
  const { marked } = await import("marked");
  const markdown: Markdown = (text) => marked.parse(text, { async: false });
  const heading = notebook.cells
    .filter(({ cell_type: type }) => type === "markdown")
    .map(({ source }) => /^#\s+(.*)$/m.exec(joined(source))?.[1])
    .find((text) => text !== undefined);
  return [
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(heading ?? title)}</title>\n<style>${STYLE}</style>\n</head>\n<body>\n<main>`,
    ...notebook.cells.map((cell) => cellHtml(cell, markdown)),
    "</main>\n</body>\n</html>\n",
  ].join("\n");
}

function cellHtml(cell: Cell, markdown: Markdown): string {
  const source = joined(cell.source);
  if (cell.cell_type === "markdown")
    return `<section class="markdown">${markdown(withAttachments(source, cell.attachments))}</section>`;
  if (cell.cell_type !== "code") return `<section class="markdown"><pre>${escapeHtml(source)}</pre></section>`;
  const count = cell.execution_count ?? "";
  const outputs = (cell.outputs ?? []).map((output) => outputHtml(output, markdown)).join("\n");
  return [
    `<section class="code"><div class="count">[${count}]</div><pre class="source">${highlight(source)}</pre>`,
    outputs === "" ? "" : `<div class="outputs">${outputs}</div>`,
    "</section>",
  ].join("");
}

function outputHtml(output: Output, markdown: Markdown): string {
  switch (output.output_type) {
    case "stream":
      return `<pre class="${output.name}">${ansi(output.text)}</pre>`;
    case "error":
      return `<pre class="error">${ansi(output.traceback.join("\n"))}</pre>`;
    case "display_data":
    case "execute_result":
      return dataHtml(output.data, markdown);
  }
}

/** The richest type that a page without scripts of ours can show. */
function dataHtml(data: Data, markdown: Markdown): string {
  const text = (type: string): string | undefined =>
    data[type] === undefined ? undefined : joined(data[type] as MultilineText);
  const html = text("text/html") ?? text("image/svg+xml");
  if (html !== undefined) return `<div>${html}</div>`;
  for (const type of ["image/png", "image/jpeg", "image/gif"]) {
    const bytes = text(type);
    if (bytes !== undefined) return `<div><img alt="" src="data:${type};base64,${bytes.replaceAll("\n", "")}"></div>`;
  }
  const rich = text("text/markdown");
  return rich === undefined ? `<pre>${ansi(text("text/plain") ?? "")}</pre>` : `<div>${markdown(rich)}</div>`;
}

/** Pictures that were dropped into a markdown cell stand in the cell itself. */
function withAttachments(source: string, attachments: Cell["attachments"] = {}): string {
  return source.replace(/\(attachment:([^)\s]+)/g, (whole, name: string) => {
    const [entry] = Object.entries(attachments[decodeURIComponent(name)] ?? {});
    return entry === undefined ? whole : `(data:${entry[0]};base64,${joined(entry[1] as MultilineText)}`;
  });
}

/** Foreground colours by their SGR number. */
const COLOURS: Readonly<Record<string, string>> = {
  30: "#1d2733",
  31: "#b3261e",
  32: "#1c7259",
  33: "#8a6100",
  34: "#1f5c99",
  35: "#6a4085",
  36: "#0b6b75",
  90: "#6b7580",
};

/** Text with its terminal colours as HTML; what is no colour is left out. */
function ansi(text: string): string {
  let open = false;
  const coloured = escapeHtml(text).replace(/\u001b\[([\d;]*)m/g, (_, codes: string) => {
    const colour = codes
      .split(";")
      .map((code) => COLOURS[code])
      .find((found) => found !== undefined);
    const close = open ? "</span>" : "";
    open = colour !== undefined;
    return open ? `${close}<span style="color:${colour}">` : close;
  });
  return coloured + (open ? "</span>" : "");
}
