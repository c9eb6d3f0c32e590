/**
 * A session on disk: a safetensors file of its tokens and the parts of its state, whose metadata say of which model and in
 * which version, and the SHA-256 of all of the file, that checksum's own digits read as zeros.
 */

import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { open, realpath, rename, rm, stat, type FileHandle } from "node:fs/promises";

import { readHeader, type StoredTensor } from "../checkpoint/safetensors";
import { isObject } from "../checkpoint/json";
import { aborted, reasonOf, StatelineError } from "../errors";
import type { ModelConfig } from "../families/family";
import type { StateArrays } from "../native";
import type { ShardPlan } from "../plan/plan";
import { fingerprint } from "./fingerprint";

const FORMAT = "stateline-state";
const VERSION = "2";

/** The checksum stands first, so that its place is known. */
const BEFORE_SHA = '{"__metadata__":{"sha256":"';
const SHA_AT = 8 + BEFORE_SHA.length;
const NO_SHA = "0".repeat(64);

/** Bytes that are read or written, and hashed, at once: a state may have gigabytes, and others have turns in between. */
const PIECE = 2 ** 22;

const stateParts = ["conv", "ssm", "keys", "values"] as const;

/** Sizes of what a file of so many tokens holds, in its order. Of fewer than two tokens there is no state. */
function shapesOf({ layers, taps, states, inner, hybrid }: ModelConfig, tokens: number): Map<string, number[]> {
  const shapes = new Map([["tokens", [tokens]]]);
  if (tokens < 2) return shapes;
  shapes.set("conv", [layers, taps - 1, inner]).set("ssm", [layers, states, inner]);
  if (!hybrid) return shapes;
  const heads = [hybrid.layers.length, tokens - 1, hybrid.kvHeads, hybrid.headDim];
  return shapes.set("keys", heads).set("values", heads);
}

function typeOf(name: string): "I32" | "F32" {
  return name === "tokens" ? "I32" : "F32";
}

/** @throws StatelineError `E_STATE_FILE` when the file cannot be written; nothing is left half-written; AbortedError `E_ABORTED` */
export async function writeStateFile(
  file: string,
  plan: ShardPlan,
  tokens: Int32Array,
  arrays: StateArrays | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const parts = [tokens, ...(arrays ? stateParts.map((name) => arrays[name]).filter((part) => part.length > 0) : [])];
  try {
    const header = headerOf(plan, await fingerprint(plan), shapesOf(plan.config, tokens.length));
    const { target, mode } = await placeOf(file);
    const partial = `${target}.${randomUUID()}.partial`;
    try {
      const handle = await open(partial, "wx", mode);
      try {
        const hash = createHash("sha256");
        for (const part of [header, ...parts]) {
          for (const piece of piecesOf(part)) {
            if (signal?.aborted) throw aborted("save", signal);
            hash.update(piece);
            await handle.writeFile(piece);
          }
        }
        await handle.write(hash.digest("hex"), SHA_AT);
      } finally {
        await handle.close();
      }
      await rename(partial, target);
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw error;
    }
  } catch (error) {
    throw error instanceof StatelineError
      ? error
      : fault("E_STATE_FILE", file, `cannot be written: ${reasonOf(error)}`);
  }
}

function headerOf(plan: ShardPlan, model: string, shapes: ReadonlyMap<string, number[]>): Buffer {
  let end = 0;
  const tensors = Array.from(shapes, ([name, shape]) => {
    const begin = end;
    end += 4 * shape.reduce((product, size) => product * size, 1);
    return [name, { dtype: typeOf(name), shape, data_offsets: [begin, end] }] as const;
  });
  const metadata = { sha256: NO_SHA, format: FORMAT, version: VERSION, model: plan.model, fingerprint: model };
  const json = Buffer.from(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(tensors) }));
  // The format asks for 8-byte alignment of the data; spaces fill the header.
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  return header;
}

/** Where a save to `file` goes, and the access that a file which is there has. */
async function placeOf(file: string): Promise<{ readonly target: string; readonly mode: number }> {
  const there = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!there) return { target: file, mode: 0o666 };
  if (!there.isFile()) throw new Error("something is there that is no file");
  return { target: await realpath(file), mode: there.mode & 0o777 };
}

/** @throws StatelineError `E_STATE_FILE`, `E_STATE_VERSION`, `E_STATE_CHECKSUM`, `E_STATE_MODEL`; AbortedError `E_ABORTED` */
export async function readStateFile(
  file: string,
  plan: ShardPlan,
  signal?: AbortSignal,
): Promise<{ readonly tokens: Int32Array; readonly arrays: StateArrays | undefined }> {
  const { metadata, stored, data, sha256 } = await contentsOf(file, signal);
  if (metadata["sha256"] !== sha256) {
    throw fault("E_STATE_CHECKSUM", file, "is damaged: it does not have the checksum it states; save it again");
  }
  if (metadata["fingerprint"] !== (await fingerprint(plan))) {
    const model = String(metadata["model"]);
    throw fault("E_STATE_MODEL", file, `was saved by another model (${model}), this one is ${plan.model}`, { model });
  }
  const count = stored.find(({ name }) => name === "tokens")?.shape[0] ?? 0;
  const shown = (name: string, dtype: string, shape: readonly number[]): string =>
    `${name} ${dtype} [${shape.join(", ")}]`;
  const expected = Array.from(shapesOf(plan.config, count), ([name, shape]) => shown(name, typeOf(name), shape)).join(
    ", ",
  );
  const found = stored.map(({ name, dtype, shape }) => shown(name, dtype, shape)).join(", ");
  if (found !== expected) throw fault("E_STATE_FILE", file, `holds ${found}; a session of this model has ${expected}`);
  const tokens = new Int32Array(data.get("tokens") ?? new ArrayBuffer());
  const stranger = tokens.find((id) => id < 0 || id >= plan.config.vocabulary);
  if (stranger !== undefined) throw fault("E_STATE_FILE", file, `has a token ${stranger}, which this model has not`);
  if (tokens.length < 2) return { tokens, arrays: undefined };
  const floats = (name: string): Float32Array => new Float32Array(data.get(name) ?? new ArrayBuffer());
  const [conv, ssm, keys, values] = [floats("conv"), floats("ssm"), floats("keys"), floats("values")];
  return { tokens, arrays: { tokens: tokens.length - 1, conv, ssm, keys, values } };
}

interface Contents {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly stored: readonly StoredTensor[];
  /** Bytes of each tensor. */
  readonly data: ReadonlyMap<string, ArrayBuffer>;
  /** Of the file as it is. */
  readonly sha256: string;
}

/** What a file holds, which nothing but its format and version vouches for yet. */
async function contentsOf(file: string, signal: AbortSignal | undefined): Promise<Contents> {
  let handle: FileHandle | undefined;
  try {
    // A pipe would be waited for for ever.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await handle.stat();
    if (!info.isFile()) throw new Error("it is no file");
    const source = handle;
    const read = async (offset: number, bytes: Buffer): Promise<Buffer> => {
      for (let at = 0; at < bytes.length;) {
        const { bytesRead } = await source.read(bytes, at, bytes.length - at, offset + at);
        if (bytesRead === 0) return bytes.subarray(0, at);
        at += bytesRead;
      }
      return bytes;
    };
    const stored = await readHeader(file, info.size, (offset, length) => read(offset, Buffer.alloc(length))).catch(
      (error: unknown) => {
        throw fault("E_STATE_FILE", file, `is no saved session: ${reasonOf(error)}`);
      },
    );
    const length = await read(0, Buffer.alloc(8));
    const header = await read(0, Buffer.alloc(8 + Number(length.readBigUInt64LE(0))));
    const json: unknown = JSON.parse(header.toString("utf8", 8));
    const metadata = isObject(json) && isObject(json["__metadata__"]) ? json["__metadata__"] : {};
    if (metadata["format"] !== FORMAT) throw fault("E_STATE_FILE", file, "is no saved session");
    if (metadata["version"] !== VERSION) {
      const version = String(metadata["version"]);
      throw fault("E_STATE_VERSION", file, `has version ${version}, this Stateline reads ${VERSION}`, { version });
    }
    header.write(NO_SHA, SHA_AT);
    const hash = createHash("sha256").update(header);
    const data = new Map<string, ArrayBuffer>();
    for (const { name, byteOffset, byteLength } of stored) {
      const whole = new ArrayBuffer(byteLength);
      data.set(name, whole);
      let at = byteOffset;
      for (const piece of piecesOf(new Uint8Array(whole))) {
        if (signal?.aborted) throw aborted("restore", signal);
        hash.update(await read(at, piece));
        at += piece.length;
      }
    }
    return { metadata, stored, data, sha256: hash.digest("hex") };
  } catch (error) {
    throw error instanceof StatelineError ? error : fault("E_STATE_FILE", file, `cannot be read: ${reasonOf(error)}`);
  } finally {
    await handle?.close();
  }
}

function* piecesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Generator<Buffer> {
  for (let at = 0; at < byteLength; at += PIECE) {
    yield Buffer.from(buffer, byteOffset + at, Math.min(PIECE, byteLength - at));
  }
}

function fault(code: string, file: string, what: string, details: object = {}): StatelineError {
  return new StatelineError(code, `${file} ${what}`, { file, ...details });
}
