/** Marks of a time axis. */

const UNITS = [
  { ns: 1e9, text: "s" },
  { ns: 1e6, text: "ms" },
  { ns: 1e3, text: "µs" },
  { ns: 1, text: "ns" },
] as const;

export interface Tick {
  /** Nanoseconds from the run's start. */
  readonly at: number;
  /** In the unit that fits the distance between ticks: "12.5 ms". */
  readonly text: string;
}

/** The next 1, 2 or 5 times a power of ten. */
export function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
}

/** About `count` marks in [from, to] at 1, 2 or 5 times a power of ten. */
export function timeTicks(from: number, to: number, count: number): Tick[] {
  const rough = (to - from) / Math.max(1, count);
  if (!(rough > 0)) return [];
  const step = Math.max(1, roundStep(rough));
  const unit = UNITS.find(({ ns }) => (to > ns || ns === 1) && step >= ns / 1000) ?? UNITS[3];
  const digits = Math.max(0, Math.ceil(-Math.log10(step / unit.ns) - 1e-9));
  const ticks: Tick[] = [];
  for (let k = Math.ceil(from / step); k * step <= to; k++) {
    ticks.push({ at: k * step, text: k === 0 ? "0" : `${((k * step) / unit.ns).toFixed(digits)} ${unit.text}` });
  }
  return ticks;
}
