/** Sets of time as sorted, disjoint intervals in one flat array: [start, end, start, end, …], nanoseconds. */

export type Intervals = Float64Array;

/** Grows a union from spans that come by start time. */
export class IntervalBuilder {
  #bounds = new Float64Array(16);
  #used = 0;

  /** Adds [start, end); `start` must not be below the start of the span added before. */
  add(start: number, end: number): void {
    const last = this.#used - 1;
    if (last > 0 && start <= (this.#bounds[last] ?? 0)) {
      if (end > (this.#bounds[last] ?? 0)) this.#bounds[last] = end;
      return;
    }
    if (end <= start) return;
    if (this.#used === this.#bounds.length) {
      const larger = new Float64Array(2 * this.#used);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
    this.#bounds[this.#used++] = start;
    this.#bounds[this.#used++] = end;
  }

  /** What was added so far. */
  build(): Intervals {
    return this.#bounds.slice(0, this.#used);
  }
}

/** Total length in nanoseconds. */
export function lengthOf(set: Intervals): number {
  let length = 0;
  for (let i = 0; i + 1 < set.length; i += 2) length += (set[i + 1] ?? 0) - (set[i] ?? 0);
  return length;
}

/** Time in `a` or in `b`. */
export function unite(a: Intervals, b: Intervals): Intervals {
  const builder = new IntervalBuilder();
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const fromA = j >= b.length || (i < a.length && (a[i] ?? 0) <= (b[j] ?? 0));
    if (fromA) {
      builder.add(a[i] ?? 0, a[i + 1] ?? 0);
      i += 2;
    } else {
      builder.add(b[j] ?? 0, b[j + 1] ?? 0);
      j += 2;
    }
  }
  return builder.build();
}

/** Time in `a` but not in `b`. */
export function subtract(a: Intervals, b: Intervals): Intervals {
  const builder = new IntervalBuilder();
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    let start = a[i] ?? 0;
    const end = a[i + 1] ?? 0;
    while (j < b.length && (b[j + 1] ?? 0) <= start) j += 2;
    for (let k = j; k < b.length && (b[k] ?? 0) < end; k += 2) {
      builder.add(start, b[k] ?? 0);
      start = Math.max(start, b[k + 1] ?? 0);
    }
    builder.add(start, end);
  }
  return builder.build();
}
