/** Values as a notebook shows them. */
import { inspect } from "node:util";
import type { MimeBundle } from "./compiled-cell";

const DISPLAY = Symbol.for("Jupyter.display");

/** What a value shows of itself by `[Symbol.for("Jupyter.display")]()`, else its text as Node's console has it. */
export async function mimeBundle(value: unknown): Promise<MimeBundle> {
  const display = displayMethod(value);
  if (display === undefined) return { "text/plain": inspect(value) };
  const bundle: unknown = await display.call(value);
  if (typeof bundle !== "object" || bundle === null) return { "text/plain": inspect(value) };
  return encodeBundle({ "text/plain": inspect(value, { depth: 0 }), ...bundle });
}

/** Bytes as base64, which is how Jupyter carries images. */
export function encodeBundle(bundle: MimeBundle): MimeBundle {
  return Object.fromEntries(
    Object.entries(bundle).map(([type, data]) => [
      type,
      data instanceof Uint8Array ? Buffer.from(data).toString("base64") : data,
    ]),
  );
}

function displayMethod(value: unknown): ((this: unknown) => unknown) | undefined {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
  const method = askedFor(value);
  return typeof method === "function" ? (method as (this: unknown) => unknown) : undefined;
}

function askedFor(value: object): unknown {
  try {
    return Reflect.get(value, DISPLAY);
  } catch {
    return undefined; // a proxy that answers by throwing, or has been revoked: Node's console shows both
  }
}
