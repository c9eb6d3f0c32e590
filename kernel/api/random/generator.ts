/** Seeded uniform numbers, the same on every machine: xorshift128 (Marsaglia, "Xorshift RNGs", 2003). */
export class Generator {
  readonly #state: Uint32Array = new Uint32Array(4);

  /** @param seed any integer 0 ≤ seed < 2^53 */
  constructor(seed: number) {
    // splitmix32 spreads nearby seeds over the whole state, which must not be all zero.
    let mixed = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
    for (let index = 0; index < 4; ++index) {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let word = mixed;
      word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
      this.#state[index] = (word ^ (word >>> 15)) >>> 0;
    }
  }

  /** Fills `out` with numbers uniform in [low, high). */
  fill(out: Float32Array, low: number, high: number): void {
    let [x = 1, y = 0, z = 0, w = 0] = this.#state;
    const scale = (high - low) / 2 ** 32;
    for (let index = 0; index < out.length; ++index) {
      const mixed = x ^ (x << 11);
      x = y;
      y = z;
      z = w;
      w = (w ^ (w >>> 19) ^ mixed ^ (mixed >>> 8)) >>> 0;
      out[index] = low + w * scale;
    }
    this.#state.set([x, y, z, w]);
  }
}
