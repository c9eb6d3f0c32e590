/** How values draw themselves: as a notebook cell's result, in a REPL, and while a cell runs. */

import { inspect } from "node:util";

import type { CommMessage } from "./comms";

/** Content by MIME type: texts, or JSON for types that say so. HTML is without scripts, so that sanitising viewers keep it. */
export interface MimeBundle {
  readonly [type: string]: unknown;
  /** What consoles show; always there. */
  readonly "text/plain": string;
  readonly "text/html"?: string;
}

/** A value with this method draws itself as a cell's result. */
export const displaySymbol: unique symbol = Symbol.for("Jupyter.display");

const hostSymbol = Symbol.for("stateline.cellHost");

/** What `kernel/cells` offers while a cell runs. */
export interface CellHost {
  /** Number of the running cell. */
  readonly cell: number;
  /** Whether the front end is a console: what it has shown it cannot change, but a line is drawn over by the next one behind `\r`. */
  readonly console: boolean;
  /** Aborts when the user interrupts the cell. */
  readonly signal: AbortSignal;
  /** Any content by MIME type. With an id, `update` can replace it. */
  display(bundle: Readonly<Record<string, unknown>>, displayId?: string): void;
  update(bundle: Readonly<Record<string, unknown>>, displayId: string): void;
  clear(wait: boolean): void;
  /** To the notebook's page (comms.ts). */
  sendComm(message: CommMessage): void;
}

/** The running cell, if this code runs in one. */
export function cellHost(): CellHost | undefined {
  return (globalThis as unknown as Record<symbol, CellHost | undefined>)[hostSymbol];
}

/**
 * Takes away what the running cell has shown so far; does nothing outside notebooks.
 *
 * @example
 * clearOutput({ wait: true }); // only when the next output is there: nothing flickers
 */
export function clearOutput({ wait = false }: { readonly wait?: boolean } = {}): void {
  cellHost()?.clear(wait);
}

/** Number of the running cell, -1 outside notebooks: what spans carry. */
export function currentCell(): number {
  return cellHost()?.cell ?? -1;
}

/** Makes a value draw itself by `draw`, without a property that shows in its data. */
export function drawable<T extends object>(value: T, draw: () => MimeBundle): T {
  const hidden = { enumerable: false, configurable: true };
  Object.defineProperty(value, displaySymbol, { ...hidden, value: draw });
  Object.defineProperty(value, inspect.custom, { ...hidden, value: () => draw()["text/plain"] });
  return value;
}

/** What a value draws. */
export function drawn(value: object): MimeBundle {
  const draw = (value as { readonly [displaySymbol]?: () => MimeBundle })[displaySymbol];
  return draw ? draw.call(value) : { "text/plain": inspect(value) };
}

/** What a value draws for consoles. */
export function plainText(value: object): string {
  return drawn(value)["text/plain"];
}
