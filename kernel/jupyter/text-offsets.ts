/** Jupyter counts characters of code in code points, JavaScript in UTF-16 code units. */

/** @param offset In code points; beyond the end means the end. */
export function toUtf16(text: string, offset: number): number {
  let units = 0;
  let points = 0;
  for (const character of text) {
    if (points++ >= offset) break;
    units += character.length;
  }
  return units;
}

/** @param offset In UTF-16 code units. */
export function toCodePoints(text: string, offset: number): number {
  return [...text.slice(0, offset)].length;
}
