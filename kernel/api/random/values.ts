/** A random tensor's values, block by block, and their rounding to the stored type. */

import type { StoredType } from "./config";
import type { Generator } from "./generator";
import { states } from "./shapes";
import type { RandomTensor } from "./tensors";

export const bytesOf: Readonly<Record<StoredType, number>> = { bf16: 2, f16: 2, f32: 4 };

/** Values [begin, begin + out.length) of a tensor; `generator` is asked in order. */
export function fillBlock({ fill }: RandomTensor, begin: number, out: Float32Array, generator: Generator): void {
  switch (fill.kind) {
    case "constant":
      out.fill(fill.value);
      return;
    case "uniform":
      generator.fill(out, -fill.bound, fill.bound);
      return;
    case "logStates":
      for (let index = 0; index < out.length; ++index) out[index] = Math.log(((begin + index) % states) + 1);
      return;
    case "dtBias":
      // softplus(bias) is log-uniform in 0.001 … 0.1, as state-spaces' mamba_simple.py sets it.
      generator.fill(out, Math.log(0.001), Math.log(0.1));
      for (let index = 0; index < out.length; ++index) {
        const dt = Math.exp(out[index] ?? 0);
        out[index] = dt + Math.log(-Math.expm1(-dt));
      }
      return;
  }
}

/** `values` as they are stored, rounded to nearest, ties to even. */
export function stored(values: Float32Array, dtype: StoredType): Uint8Array {
  if (dtype === "f32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const rounded = new Uint16Array(values.length);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  if (dtype === "bf16") {
    for (let index = 0; index < bits.length; ++index) {
      const word = bits[index] ?? 0;
      rounded[index] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
    }
  } else {
    for (let index = 0; index < bits.length; ++index) rounded[index] = halfOf(bits[index] ?? 0, values[index] ?? 0);
  }
  return new Uint8Array(rounded.buffer);
}

/** Of a finite number below 65520. */
function halfOf(bits: number, value: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  // Below 2^-14 halves are multiples of 2^-24, which is what adding 0.5 in f32 rounds to.
  if (size < 0x38800000) return sign | ((Math.fround(Math.abs(value) + 0.5) - 0.5) * 2 ** 24);
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}
