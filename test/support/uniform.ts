/** The engine's random numbers, written once more from how it documents them. */

/** SplitMix64's mixer over a counter: in [0, 1), for the token that `counter` others came before. */
export function uniform(seed: number, counter: number): number {
  const golden = 0x9e3779b97f4a7c15n;
  const mix = (z: bigint): bigint => {
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  };
  const first = mix(BigInt.asUintN(64, BigInt(seed) + golden));
  return Number(mix(BigInt.asUintN(64, first + BigInt(counter + 1) * golden)) >> 11n) * 2 ** -53;
}
