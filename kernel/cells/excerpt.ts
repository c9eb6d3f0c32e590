/** A line of source with its number and a mark under the place that matters. */

export const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
const grey = (text: string): string => `\u001b[90m${text}\u001b[39m`;

/** Of a longer line (data, minified code) the part around the place is shown. */
const MOST_CHARACTERS = 200;
const BEFORE = 80;

/** @param line, column, width From 0, in UTF-16 code units. */
export function excerpt(source: string, line: number, column: number, width = 1): string {
  const whole = source.split("\n")[line] ?? "";
  const start = whole.length > MOST_CHARACTERS ? Math.max(0, column - BEFORE) : 0;
  const text = whole.slice(start, start + MOST_CHARACTERS);
  const number = `${line + 1}`;
  const indent = text.slice(0, column - start).replace(/[^\t]/g, " ");
  const mark = "^".repeat(Math.max(1, Math.min(width, text.length - indent.length)));
  return `${grey(`${number} |`)} ${text}\n${grey(`${" ".repeat(number.length)} |`)} ${indent}${red(mark)}`;
}
