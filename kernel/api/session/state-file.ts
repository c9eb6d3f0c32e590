/**
 * A session on disk: a safetensors file whose tensors are the state's parts, and whose metadata say of which model and
 * tokens, in which version, and the SHA-256 of the data.
 */

import { randomUUID } from "node:crypto";
import { open, rename, rm, writeFile } from "node:fs/promises";

import { readHeader } from "../checkpoint/safetensors";
import { isObject } from "../checkpoint/json";
import { reasonOf, StatelineError } from "../errors";
import type { StateArrays } from "../native";
import type { ShardPlan } from "../plan/plan";
import { fingerprint } from "./fingerprint";

const VERSION = "1";
const parts = ["conv", "ssm", "keys", "values"] as const;

/** @throws StatelineError `E_STATE_FILE` when the file cannot be written; nothing is left half-written */
export async function writeStateFile(
  file: string,
  plan: ShardPlan,
  tokens: readonly number[],
  arrays: StateArrays | undefined,
): Promise<void> {
  const values = parts.map((name) => arrays?.[name] ?? new Float32Array());
  const bytes = values.map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  const data = Buffer.concat(bytes);
  let end = 0;
  const tensors = values.map((array, index) => {
    const begin = end;
    end += array.byteLength;
    return [parts[index], { dtype: "F32", shape: [array.length], data_offsets: [begin, end] }] as const;
  });
  const metadata = {
    format: "stateline-state",
    version: VERSION,
    model: plan.model,
    fingerprint: await fingerprint(plan).catch((error: unknown) => {
      throw fault("E_STATE_FILE", file, `cannot be written: ${reasonOf(error)}`);
    }),
    tokens: tokens.join(","),
    sha256: await sha256(data),
  };
  const json = Buffer.from(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(tensors) }));
  // The format asks for 8-byte alignment of the data; spaces fill the header.
  const header = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, " ")]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const partial = `${file}.${randomUUID()}.partial`;
  try {
    await writeFile(partial, Buffer.concat([length, header, data]));
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw fault("E_STATE_FILE", file, `cannot be written: ${reasonOf(error)}`);
  }
}

/** @throws StatelineError `E_STATE_FILE`, `E_STATE_VERSION`, `E_STATE_CHECKSUM`, `E_STATE_MODEL` */
export async function readStateFile(
  file: string,
  plan: ShardPlan,
): Promise<{ readonly tokens: readonly number[]; readonly arrays: StateArrays | undefined }> {
  const bytes = await readWhole(file).catch((error: unknown) => {
    throw fault("E_STATE_FILE", file, `cannot be read: ${reasonOf(error)}`);
  });
  const at = (offset: number, length: number): Promise<Uint8Array> =>
    Promise.resolve(bytes.subarray(offset, offset + length));
  const stored = await readHeader(file, bytes.length, at).catch((error: unknown) => {
    throw fault("E_STATE_FILE", file, `is no saved session: ${reasonOf(error)}`);
  });
  const dataBegin = 8 + Number(bytes.readBigUInt64LE(0));
  const header: unknown = JSON.parse(bytes.toString("utf8", 8, dataBegin));
  const metadata = isObject(header) && isObject(header["__metadata__"]) ? header["__metadata__"] : {};
  if (metadata["format"] !== "stateline-state") throw fault("E_STATE_FILE", file, "is no saved session");
  if (metadata["version"] !== VERSION) {
    const version = String(metadata["version"]);
    throw fault("E_STATE_VERSION", file, `has version ${version}, this Stateline reads ${VERSION}`, { version });
  }
  if (metadata["sha256"] !== (await sha256(bytes.subarray(dataBegin)))) {
    throw fault("E_STATE_CHECKSUM", file, "is damaged: its data do not have the checksum it states; save it again");
  }
  const expected = await fingerprint(plan);
  if (metadata["fingerprint"] !== expected) {
    const model = String(metadata["model"]);
    throw fault("E_STATE_MODEL", file, `was saved by another model (${model}), this one is ${plan.model}`, { model });
  }
  const tokens = tokensOf(metadata["tokens"], plan.config.vocabulary);
  if (!tokens) throw fault("E_STATE_FILE", file, "has no list of token ids of this model");
  if (tokens.length < 2) return { tokens, arrays: undefined };
  const floats = (name: string): Float32Array => {
    const tensor = stored.find((one) => one.name === name);
    if (tensor?.dtype !== "F32") throw fault("E_STATE_FILE", file, `has no F32 tensor ${name}`);
    const begin = bytes.byteOffset + tensor.byteOffset;
    return new Float32Array(bytes.buffer.slice(begin, begin + tensor.byteLength));
  };
  const [conv, ssm, keys, values] = [floats("conv"), floats("ssm"), floats("keys"), floats("values")];
  return { tokens, arrays: { tokens: tokens.length - 1, conv, ssm, keys, values } };
}

/** In pieces: Node reads no file of 2 GiB or more at once, and a long sequence of a large hybrid model is larger. */
async function readWhole(file: string): Promise<Buffer> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    const bytes = Buffer.allocUnsafeSlow(size);
    for (let at = 0; at < size;) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(size - at, 2 ** 30), at);
      if (bytesRead === 0) return bytes.subarray(0, at);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

function tokensOf(text: unknown, vocabulary: number): number[] | undefined {
  if (typeof text !== "string") return undefined;
  const tokens = text === "" ? [] : text.split(",").map(Number);
  return tokens.every((id) => Number.isInteger(id) && id >= 0 && id < vocabulary) ? tokens : undefined;
}

async function sha256(data: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest("SHA-256", data as Uint8Array<ArrayBuffer>)).toString("hex");
}

function fault(code: string, file: string, what: string, details: object = {}): StatelineError {
  return new StatelineError(code, `${file} ${what}`, { file, ...details });
}
