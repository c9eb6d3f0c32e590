/** What tells a model from another of the same shape: its sizes, and of every tensor the name, type and a sample of its bytes. */

import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

import { unreadable } from "../checkpoint/checkpoint";
import type { ShardPlan } from "../plan/plan";

/** Tensors of at most so many bytes count whole. */
const WHOLE = 2 ** 20;
/** Of larger ones, pieces of so many bytes from end to end: reading whole files takes minutes. */
const PIECE = 4096;
const PIECES = 16;

/** The same for every number of ranks. @throws CheckpointError `E_FILE_MISSING`, `E_FILE_UNREADABLE` */
export async function fingerprint({ config, files, tensors }: ShardPlan): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify(config));
  for (const [index, path] of files.entries()) {
    const handle = await open(path, "r").catch((error: unknown) => {
      throw unreadable(path, error);
    });
    try {
      for (const { name, dtype, shape, rows, columns, byteOffset } of tensors.filter(({ file }) => file === index)) {
        hash.update(JSON.stringify([name, dtype, shape]));
        for (const { at, length } of piecesOf(rows * columns * (dtype === "F32" ? 4 : 2))) {
          const sample = Buffer.alloc(length);
          await handle.read(sample, 0, length, byteOffset + at);
          hash.update(sample);
        }
      }
    } finally {
      await handle.close();
    }
  }
  return hash.digest("hex");
}

function piecesOf(bytes: number): { readonly at: number; readonly length: number }[] {
  if (bytes <= WHOLE) return [{ at: 0, length: bytes }];
  const apart = (bytes - PIECE) / (PIECES - 1);
  return Array.from({ length: PIECES }, (_, index) => ({ at: Math.floor(index * apart), length: PIECE }));
}
