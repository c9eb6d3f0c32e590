/** What tells a model from another of the same shape: its sizes, and of every tensor the name, type and first bytes. */

import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

import { unreadable } from "../checkpoint/checkpoint";
import type { ShardPlan } from "../plan/plan";

/** Bytes of each tensor that count: fine-tuning changes all tensors, and reading whole files takes minutes. */
const SAMPLE = 4096;

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
        const sample = Buffer.alloc(Math.min(rows * columns * (dtype === "F32" ? 4 : 2), SAMPLE));
        await handle.read(sample, 0, sample.length, byteOffset);
        hash.update(JSON.stringify([name, dtype, shape])).update(sample);
      }
    } finally {
      await handle.close();
    }
  }
  return hash.digest("hex");
}
