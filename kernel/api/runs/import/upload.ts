/** Files that come over HTTP, kept beside the runs until they are imported. What they are called is never part of a path. */

import { mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";

import type { RunInfo, UploadedFile } from "../../../../profiler-ui/trace/run";
import { makeFolder } from "../../../files/make-folder";
import { aborted, RunError } from "../../errors";
import { importFiles } from "./index";

export async function importUpload(
  root: string,
  files: readonly UploadedFile[],
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<RunInfo> {
  makeFolder(root);
  const folder = await mkdtemp(join(root, ".import-"));
  try {
    const stored = files.map(({ name }, number) => ({ path: join(folder, String(number)), name }));
    const rest = await splitInto(
      stored.map(({ path }, number) => ({ path, bytes: files[number]?.bytes ?? 0 })),
      body,
      signal,
    );
    if (rest !== 0)
      throw new RunError("E_IMPORT_INVALID", "the upload does not have the bytes that it announced", { bytes: rest });
    const { info } = await importFiles(stored, { runs: root, signal });
    return info;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes a stream into files of known sizes; how many bytes are missing, or minus one for too many. */
async function splitInto(
  files: readonly { readonly path: string; readonly bytes: number }[],
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  let number = 0;
  let left = files[0]?.bytes ?? 0;
  let file = await open(files[0]?.path ?? "", "wx");
  const next = async (): Promise<boolean> => {
    while (left === 0 && number + 1 < files.length) {
      await file.close();
      number++;
      left = files[number]?.bytes ?? 0;
      file = await open(files[number]?.path ?? "", "wx");
    }
    return left > 0;
  };
  try {
    for await (const chunk of body) {
      if (signal.aborted) throw aborted("the upload", signal);
      for (let at = 0; at < chunk.length;) {
        if (!(await next())) return -1;
        const piece = chunk.subarray(at, at + left);
        await file.writeFile(piece);
        at += piece.length;
        left -= piece.length;
      }
    }
    await next();
    return left + files.slice(number + 1).reduce((sum, { bytes }) => sum + bytes, 0);
  } finally {
    await file.close();
  }
}
