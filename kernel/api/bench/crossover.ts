/** From which message size on a narrower wire pays, by the best of measured times: load on the machine only ever adds. */

import type { WireType } from "../native";

export interface Crossover {
  readonly wireType: WireType;
  /** Of the values as f32. */
  readonly fromBytes: number;
  /** Time of f32 over this type's, the least of the measured sizes from `fromBytes` on. */
  readonly gain: number;
}

interface Point {
  readonly wireType: WireType;
  readonly bytes: number;
  readonly bestMicroseconds: number;
}

/** Differences below this are noise on a machine that does other things, too; and rounding must buy something. */
const LEAST_GAIN = 1.15;

/**
 * The type that beats f32 from some size on at every larger one that was measured, at two at least; where several do, the
 * one that is fastest at the largest. Null where none does.
 *
 * @example
 * crossover(points); // { wireType: "int8", fromBytes: 1048576, gain: 1.4 }
 */
export function crossover(points: readonly Point[]): Crossover | null {
  const exact = new Map(
    points.filter(({ wireType }) => wireType === "f32").map((one) => [one.bytes, one.bestMicroseconds]),
  );
  let best: (Crossover & { readonly atLargest: number }) | null = null;
  for (const wireType of new Set(points.map((one) => one.wireType))) {
    if (wireType === "f32") continue;
    const own = points.filter((one) => one.wireType === wireType).sort((a, b) => b.bytes - a.bytes);
    const gains = own.map(({ bytes, bestMicroseconds }) => ({
      bytes,
      gain: (exact.get(bytes) ?? 0) / bestMicroseconds,
    }));
    const end = gains.findIndex(({ gain }) => !(gain >= LEAST_GAIN));
    const winning = end < 0 ? gains : gains.slice(0, end);
    const [largest, last] = [winning[0], winning[winning.length - 1]];
    if (!largest || !last || winning.length < 2) continue;
    if (best && best.atLargest >= largest.gain) continue;
    const gain = Math.min(...winning.map((one) => one.gain));
    best = { wireType, fromBytes: last.bytes, gain, atLargest: largest.gain };
  }
  return best && { wireType: best.wireType, fromBytes: best.fromBytes, gain: best.gain };
}
