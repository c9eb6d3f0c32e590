/** Finds the first stored value that is not a number: when logits are none, a damaged checkpoint is the likely cause. */

import { open } from "node:fs/promises";

import { CheckpointError } from "../errors";
import type { PlannedTensor, ShardPlan, StoredType } from "../plan/plan";

const CHUNK = 1 << 22;

/**
 * The error that says where a weight is not finite; undefined where all are.
 *
 * @example
 * throw (await nonFiniteWeight(model.plan)) ?? error;
 */
export async function nonFiniteWeight(plan: ShardPlan): Promise<CheckpointError | undefined> {
  for (const tensor of plan.tensors) {
    const file = plan.files[tensor.file] ?? "";
    const found = await firstNonFinite(file, tensor);
    if (!found) continue;
    const { index, value } = found;
    return new CheckpointError(
      "E_TENSOR_VALUE",
      `${file}: ${tensor.name} has ${value} at index ${index} of [${tensor.shape.join(", ")}]; weights must be finite numbers`,
      { file, tensor: tensor.name, index, value: String(value) },
    );
  }
  return undefined;
}

async function firstNonFinite(
  file: string,
  { byteOffset, rows, columns, dtype }: PlannedTensor,
): Promise<{ readonly index: number; readonly value: number } | undefined> {
  const width = dtype === "F32" ? 4 : 2;
  const bytes = rows * columns * width;
  const handle = await open(file, "r");
  try {
    const buffer = Buffer.alloc(Math.min(CHUNK, bytes));
    for (let begin = 0; begin < bytes; begin += CHUNK) {
      const length = Math.min(CHUNK, bytes - begin);
      const { bytesRead } = await handle.read(buffer, 0, length, byteOffset + begin);
      for (let at = 0; at + width <= bytesRead; at += width) {
        const value = valueOf(dtype === "F32" ? buffer.readUInt32LE(at) : buffer.readUInt16LE(at), dtype);
        if (value !== undefined) return { index: (begin + at) / width, value };
      }
    }
    return undefined;
  } finally {
    await handle.close();
  }
}

/** Bits of the exponent, and of the fraction, by stored type. */
const layouts: Readonly<Record<StoredType, { readonly exponent: number; readonly fraction: number }>> = {
  F32: { exponent: 0x7f800000, fraction: 0x007fffff },
  F16: { exponent: 0x7c00, fraction: 0x03ff },
  BF16: { exponent: 0x7f80, fraction: 0x007f },
};

/** NaN or an infinity; undefined for finite numbers. */
function valueOf(bits: number, dtype: StoredType): number | undefined {
  const { exponent, fraction } = layouts[dtype];
  if ((bits & exponent) !== exponent) return undefined;
  if ((bits & fraction) !== 0) return NaN;
  return bits >>> (dtype === "F32" ? 31 : 15) ? -Infinity : Infinity;
}
