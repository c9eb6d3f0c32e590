/**
 * Writes frames (messages.ts) to the front by `fs.writeSync`: a loop that never gives the event loop its turn is heard all
 * the same, where `process.send` would keep nearly everything until the loop ends.
 */
import { writeSync } from "node:fs";

const LENGTH_BYTES = 4;

export function encodeFrame(message: object): Buffer {
  const json = Buffer.from(JSON.stringify(message), "utf8");
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + json.length);
  frame.writeUInt32LE(json.length, 0);
  json.copy(frame, LENGTH_BYTES);
  return frame;
}

/** Writes all bytes, waiting while the reader is behind. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
