/** Quantiles of a sample. */

/**
 * Value below which the share `q` of an ascending sample lies, interpolated between neighbours (Hyndman and Fan's
 * type 7, the one of NumPy and R). NaN for an empty sample.
 *
 * @example quantile(Float64Array.of(1, 2, 3, 4), 0.5); // 2.5
 */
export function quantile(ascending: Float64Array, q: number): number {
  if (ascending.length === 0) return NaN;
  const position = (ascending.length - 1) * q;
  const below = Math.floor(position);
  const low = ascending[below] ?? NaN;
  const high = ascending[Math.min(below + 1, ascending.length - 1)] ?? NaN;
  return low + (high - low) * (position - below);
}

/** @example median([3, 1, 2]); // 2 */
export function median(values: Iterable<number>): number {
  return quantile(Float64Array.from(values).sort(), 0.5);
}

/** Collects numbers in a typed array that grows. */
export class Sample {
  #values = new Float64Array(16);
  #count = 0;
  #sum = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = value;
    this.#sum += value;
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** 0 for an empty sample. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /**
   * Quantiles as `quantile` gives them, found without sorting: of millions of values two are wanted.
   *
   * @param shares Ascending, 0..1.
   */
  quantiles(...shares: readonly number[]): number[] {
    const values = this.#values.slice(0, this.#count);
    if (values.length === 0) return shares.map(() => NaN);
    let from = 0;
    return shares.map((share) => {
      const position = (values.length - 1) * share;
      const below = Math.floor(position);
      select(values, below, from);
      from = below;
      const low = values[below] ?? NaN;
      let high = below + 1 < values.length ? Infinity : low;
      for (let i = below + 1; i < values.length; i++) high = Math.min(high, values[i] ?? NaN);
      return low + (high - low) * (position - below);
    });
  }
}

/** Moves the values from `from` on so that those below `place` are not above the one there, those behind not below it (Hoare's quickselect). */
function select(values: Float64Array, place: number, from: number): void {
  let low = from;
  let high = values.length - 1;
  while (low < high) {
    const pivot = middleOf(values[low] ?? 0, values[(low + high) >>> 1] ?? 0, values[high] ?? 0);
    let i = low;
    let j = high;
    while (i <= j) {
      while ((values[i] ?? 0) < pivot) i++;
      while ((values[j] ?? 0) > pivot) j--;
      if (i > j) break;
      const value = values[i] ?? 0;
      values[i++] = values[j] ?? 0;
      values[j--] = value;
    }
    if (place <= j) high = j;
    else if (place >= i) low = i;
    else return;
  }
}

function middleOf(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
