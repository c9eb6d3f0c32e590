/** JSON of a checkpoint, read strictly: a duplicate name is an error instead of silently winning. */

/** Far above what a checkpoint needs, far below what overflows the stack of those who walk through it. */
const MAX_DEPTH = 500;

/**
 * First name that occurs twice in one object of `text`, which must be valid JSON.
 *
 * @throws Error when it is nested too deep
 * @example
 * duplicateName('{"a": {"b": 1, "b": 2}}'); // "b"
 */
export function duplicateName(text: string): string | undefined {
  const names: (Set<string> | null)[] = []; // one entry an open bracket; null for arrays
  let nameNext = false;
  for (let i = 0; i < text.length; i++) {
    if (names.length > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH} levels`);
    switch (text[i]) {
      case "{":
        names.push(new Set());
        nameNext = true;
        break;
      case "[":
        names.push(null);
        nameNext = false;
        break;
      case "}":
      case "]":
        names.pop();
        nameNext = false;
        break;
      case ",":
        nameNext = names.at(-1) instanceof Set;
        break;
      case '"': {
        const begin = i;
        for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
        if (!nameNext) break;
        nameNext = false;
        const name = JSON.parse(text.slice(begin, i + 1)) as string;
        const open = names.at(-1);
        if (open?.has(name)) return name;
        open?.add(name);
        break;
      }
      default: // values and spaces
    }
  }
  return undefined;
}

/**
 * Text of UTF-8 bytes as they are: a byte order mark stays, and JSON has none.
 *
 * @throws TypeError where they are not UTF-8: letters replaced by U+FFFD would give other names and tokens.
 */
export function strictText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
