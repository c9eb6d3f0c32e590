/**
 * The header of a safetensors file: 8 bytes little-endian length, then JSON of that length, then the tensors' bytes.
 *
 * Everything a file can get wrong is an error here, before the engine maps it. The rules are those of the format's
 * own reader: tensors tile the data without gaps or overlap and end where the file ends.
 */

import { CheckpointError, reasonOf } from "../errors";
import { shown } from "../options";
import { duplicateName, isObject, strictText } from "./json";

/** Longest header read; the format's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;

const bytesOf: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

export interface StoredTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Of its first byte, from the file's start. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** Reads `length` bytes at `offset`; shorter at the end of the file. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/**
 * Tensors of a safetensors file of `fileBytes` bytes, by offset.
 *
 * @throws CheckpointError `E_SAFETENSORS_TRUNCATED`, `_HEADER_SIZE`, `_HEADER_JSON`, `_DUPLICATE`, `_DTYPE`, `_SHAPE`,
 *   `_OFFSETS`, `_OVERLAP`, `_GAP`, each naming the file, the tensor and the two values that disagree.
 */
export async function readHeader(file: string, fileBytes: number, readAt: ReadAt): Promise<StoredTensor[]> {
  const fail = (code: string, message: string, details: object = {}): never => {
    throw new CheckpointError(`E_SAFETENSORS_${code}`, `${file}: ${message}`, { file, ...details });
  };
  if (fileBytes < 8)
    fail("TRUNCATED", `a safetensors file has at least 8 bytes, this has ${fileBytes}; download it again`, {
      fileBytes,
    });
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = await readAt(offset, length);
    if (bytes.length < length)
      fail("TRUNCATED", `had ${fileBytes} bytes, and ends at byte ${offset + bytes.length} now; download it again`, {
        fileBytes,
      });
    return bytes;
  };
  const prefix = await read(0, 8);
  const declared = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(MAX_HEADER_BYTES)) {
    fail(
      "HEADER_SIZE",
      `says its header has ${declared} bytes, the limit is ${MAX_HEADER_BYTES}: not a safetensors file`,
      {
        headerBytes: Number(declared),
      },
    );
  }
  const headerBytes = Number(declared);
  const dataBegin = 8 + headerBytes;
  if (dataBegin > fileBytes) {
    fail("TRUNCATED", `header ends at byte ${dataBegin}, the file at ${fileBytes}; download it again`, {
      headerBytes,
      fileBytes,
    });
  }

  const bytes = await read(8, headerBytes);
  let header: unknown;
  let duplicate;
  try {
    const text = strictText(bytes);
    header = JSON.parse(text);
    duplicate = duplicateName(text);
  } catch (error) {
    fail("HEADER_JSON", `header is not valid JSON (${reasonOf(error)})`);
  }
  if (!isObject(header)) return fail("HEADER_JSON", "header is not a JSON object");
  if (duplicate !== undefined)
    fail("DUPLICATE", `header has ${JSON.stringify(duplicate)} twice`, { tensor: duplicate });

  const tensors: StoredTensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const bad = (code: string, message: string, details: object = {}): never =>
      fail(code, `tensor ${JSON.stringify(name)} ${message}`, { tensor: name, ...details });
    if (!isObject(entry)) return bad("HEADER_JSON", "is not described by an object");
    const { dtype, shape, data_offsets: offsets } = entry;
    const width = typeof dtype === "string" && Object.hasOwn(bytesOf, dtype) ? bytesOf[dtype] : undefined;
    if (typeof dtype !== "string" || width === undefined) {
      return bad("DTYPE", `has dtype ${shown(dtype)}, known are ${Object.keys(bytesOf).join(", ")}`, {
        dtype,
      });
    }
    if (!isSizes(shape)) return bad("SHAPE", `has shape ${shown(shape)}, expected sizes of at least 0`, { shape });
    if (!isSizes(offsets) || offsets.length !== 2) {
      return bad("OFFSETS", `has data_offsets ${shown(offsets)}, expected [begin, end]`, { offsets });
    }
    const [begin = 0, end = 0] = offsets;
    const byteLength = shape.reduce((product, size) => product * size, width);
    if (!Number.isSafeInteger(byteLength))
      return bad("SHAPE", `has shape [${shape.join(", ")}], too large to address`, { shape });
    if (end < begin || end - begin !== byteLength) {
      return bad(
        "OFFSETS",
        `spans bytes ${begin} to ${end}, but ${dtype} [${shape.join(", ")}] takes ${byteLength} bytes`,
        {
          offsets,
          byteLength,
        },
      );
    }
    if (dataBegin + end > fileBytes) {
      return bad("TRUNCATED", `ends at byte ${dataBegin + end}, the file at ${fileBytes}; download it again`, {
        end: dataBegin + end,
        fileBytes,
      });
    }
    tensors.push({ name, dtype, shape, byteOffset: dataBegin + begin, byteLength });
  }

  tensors.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let at = dataBegin;
  for (const { name, byteOffset, byteLength } of tensors) {
    if (byteOffset !== at) {
      const [code, what] =
        byteOffset < at ? ["OVERLAP", "overlaps the one before it"] : ["GAP", "leaves a gap before it"];
      fail(
        code,
        `tensor ${JSON.stringify(name)} ${what}: it begins at byte ${byteOffset}, the one before ends at ${at}`,
        {
          tensor: name,
          begin: byteOffset,
          previousEnd: at,
        },
      );
    }
    at = byteOffset + byteLength;
  }
  if (at !== fileBytes) fail("GAP", `tensors end at byte ${at}, the file at ${fileBytes}`, { end: at, fileBytes });
  return tensors;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
