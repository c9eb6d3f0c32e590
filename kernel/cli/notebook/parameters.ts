/** Parameters from the command line, in a cell of their own: as papermill does it, which knows no TypeScript. */

import type { Cell, Notebook } from "./format";

export type Parameters = Readonly<Record<string, unknown>>;

/** The tag of the cell with a notebook's own values, and that of the one that overrides them. */
const DEFAULTS = "parameters";
const INJECTED = "injected-parameters";

/** A name of TypeScript. */
export const isParameterName = (name: string): boolean => /^[A-Za-z_$][\w$]*$/.test(name);

/**
 * The notebook with a cell that sets the parameters: behind the one tagged `parameters`, else at the top. A cell that an
 * earlier run has put there is replaced.
 */
export function withParameters(notebook: Notebook, parameters: Parameters): Notebook {
  const entries = Object.entries(parameters);
  if (entries.length === 0) return notebook;
  const cells = notebook.cells.filter((cell) => !hasTag(cell, INJECTED));
  const source = entries.map(([name, value]) => `let ${name} = ${JSON.stringify(value)};`).join("\n");
  const injected: Cell = {
    cell_type: "code",
    // Formats before 4.5 have no ids.
    ...(cells.some(({ id }) => id !== undefined) ? { id: INJECTED } : {}),
    metadata: { tags: [INJECTED] },
    source,
    outputs: [],
    execution_count: null,
  };
  const place = cells.findIndex(isDefaults) + 1;
  return { ...notebook, cells: [...cells.slice(0, place), injected, ...cells.slice(place)] };
}

/** Whether a cell holds the notebook's own values. */
export const isDefaults = (cell: Cell): boolean => hasTag(cell, DEFAULTS);

function hasTag({ metadata }: Cell, tag: string): boolean {
  return metadata?.tags?.includes(tag) === true;
}
