/**
 * Writes frames (messages.ts) to the front by `fs.writeSync`: a loop that never gives the event loop its turn is heard all
 * the same, where `process.send` would keep nearly everything until the loop ends.
 */
import * as fs from "node:fs";
import { FRAME_HEAD_BYTES, FRAME_KINDS, type FromWorker } from "./messages";

// Cells may put others in their place, as tests with a file system in memory do.
const { writeSync } = fs;
const { stringify } = JSON;

export function encodeFrame(message: FromWorker): Buffer {
  if (message.type !== "stream") return frame(FRAME_KINDS.json, 0, stringify(message));
  return frame(FRAME_KINDS[message.name], message.run, message.text);
}

function frame(kind: number, run: number, text: string): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + Buffer.byteLength(text));
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(run, 4);
  bytes[8] = kind;
  bytes.write(text, FRAME_HEAD_BYTES);
  return bytes;
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
