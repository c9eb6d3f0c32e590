/** Edits of a text that stay inside their lines, and the way back from the new text's positions to the old one's. */

/** One replacement: `removed` characters at `offset` become `text`. Neither spans a line break. */
export interface Edit {
  readonly offset: number;
  readonly removed: number;
  readonly text: string;
}

/** An edit by line and column of the old text, all counted from 0. */
export interface LineEdit {
  readonly line: number;
  readonly column: number;
  readonly removed: number;
  readonly inserted: number;
}

/** `source` with the edits made; edits at one offset keep their order. */
export function applyEdits(source: string, edits: readonly Edit[]): string {
  let result = "";
  let position = 0;
  for (const edit of inOrder(edits)) {
    result += source.slice(position, edit.offset) + edit.text;
    position = edit.offset + edit.removed;
  }
  return result + source.slice(position);
}

/** The edits by line and column, in the order of the text. */
export function lineEdits(source: string, edits: readonly Edit[]): LineEdit[] {
  let line = 0;
  let lineStart = 0;
  return inOrder(edits).map((edit) => {
    for (let next = source.indexOf("\n", lineStart); next !== -1 && next < edit.offset;) {
      line++;
      lineStart = next + 1;
      next = source.indexOf("\n", lineStart);
    }
    return { line, column: edit.offset - lineStart, removed: edit.removed, inserted: edit.text.length };
  });
}

/** Column in the old text of a column in the new one; inside an insertion it is the insertion's place. */
export function columnBefore(edits: readonly LineEdit[], line: number, column: number): number {
  let shift = 0;
  for (const edit of edits) {
    if (edit.line !== line) continue;
    const start = edit.column + shift;
    if (column < start) break;
    if (column < start + edit.inserted) return edit.column;
    shift += edit.inserted - edit.removed;
  }
  return column - shift;
}

function inOrder(edits: readonly Edit[]): Edit[] {
  return [...edits].sort((a, b) => a.offset - b.offset);
}
