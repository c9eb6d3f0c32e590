/** A line of source with its number and a mark under the place that matters. */

export const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
const grey = (text: string): string => `\u001b[90m${text}\u001b[39m`;

/** @param line, column, width From 0, in UTF-16 code units. */
export function excerpt(source: string, line: number, column: number, width = 1): string {
  const text = source.split("\n")[line] ?? "";
  const number = `${line + 1}`;
  const indent = text.slice(0, column).replace(/[^\t]/g, " ");
  const mark = "^".repeat(Math.max(1, Math.min(width, text.length - column)));
  return `${grey(`${number} |`)} ${text}\n${grey(`${" ".repeat(number.length)} |`)} ${indent}${red(mark)}`;
}
