/** Numbers as people read them: a fitting unit, at most four digits. */

/** A number and its unit, apart so that a table can align them. */
export interface Figure {
  readonly value: string;
  readonly unit: string;
}

/** At most four digits: 1234, 123.4, 12.34, 1.23; trailing zeros stay so that columns align. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  return value.toFixed(size >= 999.5 ? 0 : size >= 99.95 ? 1 : 2);
}

function scaled(value: number, base: number, units: readonly string[]): Figure {
  if (!Number.isFinite(value)) return { value: "–", unit: "" };
  let step = 0;
  let scaledValue = value;
  while (step < units.length - 1 && Math.abs(scaledValue) >= 999.5) {
    scaledValue /= base;
    step++;
  }
  // The smallest unit is what was counted: fractions of it say nothing, save for means below ten.
  const text =
    step === 0 && (Number.isInteger(value) || Math.abs(value) >= 10) ? value.toFixed(0) : formatNumber(scaledValue);
  return { value: text, unit: units[step] ?? "" };
}

const MINUTE = 60e9;
const HOUR = 60 * MINUTE;

/** Nanoseconds in ns, µs, ms or s, in minutes and hours where seconds have more than three digits. */
export function timeFigure(ns: number): Figure {
  if (Math.abs(ns) >= 2 * HOUR) return { value: formatNumber(ns / HOUR), unit: "h" };
  if (Math.abs(ns) >= 999.5e9) return { value: formatNumber(ns / MINUTE), unit: "min" };
  return scaled(ns, 1000, ["ns", "µs", "ms", "s"]);
}

/** @example formatTime(1_234_000); // "1.23 ms" */
export function formatTime(ns: number): string {
  return join(timeFigure(ns));
}

/** Bytes in decimal units, as links are rated. */
export function bytesFigure(bytes: number): Figure {
  return scaled(bytes, 1000, ["B", "kB", "MB", "GB", "TB"]);
}

/** @example formatBytes(5120); // "5.12 kB" */
export function formatBytes(bytes: number): string {
  return join(bytesFigure(bytes));
}

/** Counts: 1234 stays, 12 345 becomes 12.35 k. */
export function formatCount(count: number): string {
  if (Number.isInteger(count) && Math.abs(count) < 10_000) return String(count);
  return join(scaled(count, 1000, ["", "k", "M", "G", "T"]));
}

/** A rate with its unit: formatRate(2.5e9, "FLOP/s") is "2.50 GFLOP/s". */
export function formatRate(perSecond: number, unit: string): string {
  const figure = scaled(perSecond, 1000, ["", "k", "M", "G", "T", "P"]);
  return figure.value === "–" ? "–" : `${figure.value} ${figure.unit}${unit}`;
}

/** @example formatSpeed(13_950); // "13.95 k tok/s" */
export function formatSpeed(tokensPerSecond: number): string {
  const { value, unit } = scaled(tokensPerSecond, 1000, ["", "k", "M"]);
  if (value === "–") return value;
  return unit === "" ? `${value} tok/s` : `${value} ${unit} tok/s`;
}

/** A share of one as a percentage: 0.1234 is "12.3 %". */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return "–";
  return `${(100 * share).toFixed(1)} %`;
}

/** A relative difference with its sign: 0.031 is "+3.1 %". */
export function formatChange(change: number): string {
  if (!Number.isFinite(change)) return "–";
  const percent = 100 * change;
  const text = Math.abs(percent) >= 999.5 ? percent.toFixed(0) : percent.toFixed(1);
  return `${change > 0 ? "+" : ""}${text === "-0.0" ? "0.0" : text} %`.replace("-", "−");
}

function join({ value, unit }: Figure): string {
  return unit === "" ? value : `${value} ${unit}`;
}
