/** A straight line through points, by weighted least squares. */

export interface Line {
  readonly intercept: number;
  readonly slope: number;
  /** Share of the points' variance that the line explains, 0..1. */
  readonly r2: number;
}

export interface WeightedPoint {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
}

/** Null for fewer than two different x. @example fitLine([{ x: 0, y: 1, weight: 1 }, { x: 2, y: 5, weight: 1 }]) // y = 1 + 2x */
export function fitLine(points: readonly WeightedPoint[]): Line | null {
  const weight = points.reduce((sum, point) => sum + point.weight, 0);
  if (weight <= 0) return null;
  const mean = (of: (point: WeightedPoint) => number): number =>
    points.reduce((sum, point) => sum + point.weight * of(point), 0) / weight;
  const x = mean((point) => point.x);
  const y = mean((point) => point.y);
  const xx = mean((point) => (point.x - x) ** 2);
  const xy = mean((point) => (point.x - x) * (point.y - y));
  const yy = mean((point) => (point.y - y) ** 2);
  if (xx === 0) return null;
  const slope = xy / xx;
  return { intercept: y - slope * x, slope, r2: yy === 0 ? 1 : xy ** 2 / (xx * yy) };
}
