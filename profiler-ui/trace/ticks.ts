/** Marks of a time axis. */

/** A unit serves axes that end after `above` and have marks at least `least` apart. */
const UNITS = [
  { ns: 3600e9, text: "h", above: 7200e9, least: 36e9 },
  { ns: 60e9, text: "min", above: 999.5e9, least: 0.6e9 },
  { ns: 1e9, text: "s", above: 1e9, least: 1e6 },
  { ns: 1e6, text: "ms", above: 1e6, least: 1e3 },
  { ns: 1e3, text: "µs", above: 1e3, least: 1 },
] as const;
const NANOSECONDS = { ns: 1, text: "ns" } as const;

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

/** About `count` marks in [from, to] at 1, 2 or 5 times a power of ten of the unit. */
export function timeTicks(from: number, to: number, count: number): Tick[] {
  const rough = (to - from) / Math.max(1, count);
  if (!(rough > 0)) return [];
  const stepIn = (ns: number): number => Math.max(1, Math.round(roundStep(rough / ns) * ns));
  const unit = UNITS.find(({ ns, above, least }) => to > above && stepIn(ns) >= least) ?? NANOSECONDS;
  const step = stepIn(unit.ns);
  const digits = Math.max(0, Math.ceil(-Math.log10(step / unit.ns) - 1e-9));
  const ticks: Tick[] = [];
  for (let k = Math.ceil(from / step); k * step <= to; k++) {
    ticks.push({ at: k * step, text: k === 0 ? "0" : `${((k * step) / unit.ns).toFixed(digits)} ${unit.text}` });
  }
  return ticks;
}
