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

  /** The values in ascending order. */
  sorted(): Float64Array {
    return this.#values.slice(0, this.#count).sort();
  }
}
