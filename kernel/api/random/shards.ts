/** Which file each tensor of a checkpoint goes to, and the files' headers and index. */

import type { StoredType } from "./config";
import { valuesOf, type RandomTensor } from "./tensors";
import { bytesOf } from "./values";

export interface Shard {
  readonly file: string;
  readonly tensors: readonly RandomTensor[];
}

/** Fills files up to `most` bytes in the tensors' order; one larger tensor has a file of its own. */
export function shardsOf(tensors: readonly RandomTensor[], dtype: StoredType, most: number): Shard[] {
  const parts: RandomTensor[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = valuesOf(tensor) * bytesOf[dtype];
    if (bytes > room || parts.length === 0) {
      parts.push([]);
      room = most;
    }
    parts.at(-1)?.push(tensor);
    room -= bytes;
  }
  if (parts.length === 1) return parts.map((part) => ({ file: "model.safetensors", tensors: part }));
  const number = (index: number): string => String(index).padStart(5, "0");
  return parts.map((part, index) => ({
    file: `model-${number(index + 1)}-of-${number(parts.length)}.safetensors`,
    tensors: part,
  }));
}

/** model.safetensors.index.json */
export function indexOf(shards: readonly Shard[], totalBytes: number): object {
  const entries = shards.flatMap(({ file, tensors }) => tensors.map(({ name }) => [name, file] as const));
  return { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(entries) };
}

/** The safetensors header of a file with these tensors, its length first. */
export function headerOf(tensors: readonly RandomTensor[], dtype: StoredType): Buffer {
  let offset = 0;
  const entries = tensors.map((tensor) => {
    const begin = offset;
    offset += valuesOf(tensor) * bytesOf[dtype];
    return [tensor.name, { dtype: dtype.toUpperCase(), shape: tensor.shape, data_offsets: [begin, offset] }] as const;
  });
  const text = JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) });
  // Tensor data begin at a multiple of 8.
  const padded = text + " ".repeat((8 - (text.length % 8)) % 8);
  const header = Buffer.alloc(8 + padded.length);
  header.writeBigUInt64LE(BigInt(padded.length));
  header.write(padded, 8);
  return header;
}
