/** Long texts in pieces: the front takes other messages between them, and no message is longer than a string can be. */

/** UTF-16 code units. */
const MOST = 2 ** 20;

/** The pieces of a text, in order; no character is split. */
export function* textPieces(text: string): Generator<string> {
  for (let start = 0; start < text.length;) {
    let end = start + MOST;
    if (isHighSurrogate(text.charCodeAt(end - 1))) end++;
    yield text.slice(start, end);
    start = end;
  }
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;
