/** Published shapes, by name, for random models: what a benchmark needs when nothing can be downloaded. */

import { StatelineError } from "../../../profiler-ui/trace/errors";

/** Sizes of a Mamba model; state-spaces' config.json files on the hub are the source of the published ones. */
export interface MambaShape {
  readonly hidden: number;
  readonly layers: number;
  readonly vocabulary: number;
}

/** Inner size 2·hidden, 16 states, 4 taps and dt rank hidden/16 are common to all of them. */
export const publishedShapes: Readonly<Record<string, MambaShape>> = {
  "mamba-130m": { hidden: 768, layers: 24, vocabulary: 50280 },
  "mamba-370m": { hidden: 1024, layers: 48, vocabulary: 50280 },
  "mamba-790m": { hidden: 1536, layers: 48, vocabulary: 50280 },
  "mamba-1.4b": { hidden: 2048, layers: 48, vocabulary: 50280 },
  "mamba-2.8b": { hidden: 2560, layers: 64, vocabulary: 50280 },
};

/**
 * Shape of a published model.
 *
 * @throws StatelineError `E_UNKNOWN_SHAPE` when there is none of this name.
 * @example
 * shapeLike("mamba-130m").hidden; // 768
 */
export function shapeLike(name: string): MambaShape {
  const shape = publishedShapes[name];
  if (shape) return shape;
  const known = Object.keys(publishedShapes).join(", ");
  throw new StatelineError("E_UNKNOWN_SHAPE", `like must be one of ${known}, got ${name}`, { like: name });
}
