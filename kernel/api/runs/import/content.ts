/** The bytes of a file to import, unpacked if it is a .gz, never more than a trace can sensibly have. */

import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";

import { reasonOf, RunError } from "../../errors";

/** Bytes of one file, unpacked. */
const MOST_BYTES = 4e9;
/** Traces pack to a twentieth; what unpacks to this many times its size is made to fill memory. */
const MOST_RATIO = 200;
/** Below this no ratio is judged. */
const HARMLESS = 16e6;

/** @throws RunError `E_IMPORT_TOO_LARGE`, `E_IMPORT_INVALID`, `E_IMPORT_UNREADABLE` */
export async function* contentOf(path: string, name: string): AsyncGenerator<Uint8Array> {
  const packed = (await firstBytes(path, name)).subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]));
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const source = packed ? file.pipe(createGunzip({ chunkSize: 1 << 20 })) : file;
  if (packed) file.on("error", (error) => source.destroy(error));
  let bytes = 0;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MOST_BYTES || (packed && bytes > HARMLESS && bytes > MOST_RATIO * file.bytesRead)) {
        const message = `${name} unpacks to more than ${bytes > MOST_BYTES ? `${MOST_BYTES / 1e9} GB` : `${MOST_RATIO} times its size`}; it is not read any further`;
        throw new RunError("E_IMPORT_TOO_LARGE", message, { file: name, bytes });
      }
      yield chunk;
    }
  } catch (error) {
    if (error instanceof RunError) throw error;
    const reason = reasonOf(error);
    throw new RunError("E_IMPORT_INVALID", `${name} cannot be unpacked: ${reason}`, { file: name }, { cause: error });
  } finally {
    file.destroy();
    source.destroy();
  }
}

async function firstBytes(path: string, name: string): Promise<Buffer> {
  try {
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    const reason = reasonOf(error);
    throw new RunError("E_IMPORT_UNREADABLE", `cannot read ${name}: ${reason}`, { file: name }, { cause: error });
  }
}
