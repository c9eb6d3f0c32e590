/** Published shapes and one of our own, by name, for random models: what a benchmark needs when nothing can be downloaded. */

import { OptionError } from "../errors";

interface Sizes {
  readonly hidden: number;
  readonly layers: number;
  readonly vocabulary: number;
}

/** The published config.json files are the source. 16 states, 4 taps and dt rank hidden / 16 are common to all. */
export type PublishedShape =
  | ({ readonly family: "mamba" | "falcon_mamba" } & Sizes)
  | ({ readonly family: "zamba"; readonly mambaHeads: number; readonly attentionHeads: number } & Sizes);

export const states = 16;
export const taps = 4;

const vocabulary = 50280;

export const publishedShapes: Readonly<Record<string, PublishedShape>> = {
  "mamba-130m": { family: "mamba", hidden: 768, layers: 24, vocabulary },
  "mamba-370m": { family: "mamba", hidden: 1024, layers: 48, vocabulary },
  "mamba-790m": { family: "mamba", hidden: 1536, layers: 48, vocabulary },
  "mamba-1.4b": { family: "mamba", hidden: 2048, layers: 48, vocabulary },
  "mamba-2.8b": { family: "mamba", hidden: 2560, layers: 64, vocabulary },
  // Nobody published this one: a Falcon-Mamba of a size that benchmarks can run beside others in minutes.
  "falcon-mamba-small": { family: "falcon_mamba", hidden: 1024, layers: 12, vocabulary: 65024 },
  "falcon-mamba-7b": { family: "falcon_mamba", hidden: 4096, layers: 64, vocabulary: 65024 },
  "zamba-7b": { family: "zamba", hidden: 3712, layers: 76, vocabulary: 32000, mambaHeads: 2, attentionHeads: 16 },
};

/** d_inner; the width of Zamba's attention is the same. */
export const innerOf = ({ hidden }: PublishedShape): number => 2 * hidden;

export const dtRankOf = ({ hidden }: PublishedShape): number => Math.ceil(hidden / 16);

/**
 * Shape of a published model.
 *
 * @throws OptionError `E_UNKNOWN_SHAPE` when there is none of this name.
 * @example
 * shapeLike("mamba-130m").hidden; // 768
 */
export function shapeLike(name: string): PublishedShape {
  const shape = Object.hasOwn(publishedShapes, name) ? publishedShapes[name] : undefined;
  if (shape) return shape;
  const known = Object.keys(publishedShapes).join(", ");
  throw new OptionError("E_UNKNOWN_SHAPE", `like must be one of ${known}, got ${name}`, { like: name });
}

/** Zamba's attention period: layers 0 and 1 are Mamba, 2 is hybrid, then every sixth from 7 on. */
export const attentionPeriod = 6;
export const attentionOffset = 4;

/** Whether a Zamba layer of the published pattern has the shared attention block. */
export function isHybrid(layer: number): boolean {
  return layer === 2 || (layer > 2 && (layer - 3) % attentionPeriod === attentionOffset);
}
