/** A Hugging Face directory as it is: config.json, one safetensors file or an index with shards. */

import type { Stats } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";

import { CheckpointError, reasonOf } from "../errors";
import { shown } from "../options";
import { duplicateName, isObject, strictText, type JsonObject } from "./json";
import { readHeader, type StoredTensor } from "./safetensors";

export interface CheckpointTensor extends StoredTensor {
  /** Index into `Checkpoint.files`. */
  readonly file: number;
}

/** A file that is written to or replaced gets another one. */
export interface FileStamp {
  readonly size: number;
  readonly modifiedMs: number;
  readonly inode: number;
}

export interface Checkpoint {
  /** Absolute path. */
  readonly directory: string;
  readonly name: string;
  readonly config: JsonObject;
  /** Absolute paths of the safetensors files. */
  readonly files: readonly string[];
  /** What each file was when its header was read. */
  readonly stamps: readonly FileStamp[];
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
}

/**
 * Reads a checkpoint's config and headers; no weights.
 *
 * @throws CheckpointError `E_CHECKPOINT_MISSING`, `E_FILE_MISSING`, `E_FILE_UNREADABLE`, `E_JSON`, `E_INDEX`,
 *   `E_TENSOR_MISSING`, `E_SAFETENSORS_…`
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const directory = resolve(path);
  const found = await stat(directory).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error || !found.isDirectory()) {
    const reason =
      found instanceof Error ? (found.code === "ENOENT" ? "does not exist" : found.message) : "is not a directory";
    throw new CheckpointError(
      "E_CHECKPOINT_MISSING",
      `model directory ${directory} ${reason}; give a directory with config.json and model.safetensors`,
      { directory },
    );
  }
  const config = await readJson(join(directory, "config.json"));
  const single = join(directory, "model.safetensors");
  const indexFile = `${single}.index.json`;
  if (await exists(single)) {
    const { tensors, stamp } = await readFileHeader(single);
    const named = tensors.map((tensor) => [tensor.name, { ...tensor, file: 0 }] as const);
    return {
      ...{ directory, name: basename(directory), config },
      ...{ files: [single], stamps: [stamp], tensors: new Map(named) },
    };
  }
  if (!(await exists(indexFile))) {
    const other = (await exists(join(directory, "pytorch_model.bin")))
      ? "; pytorch_model.bin is not read, save the model as safetensors"
      : "";
    throw new CheckpointError(
      "E_FILE_MISSING",
      `${directory} has neither model.safetensors nor model.safetensors.index.json${other}`,
      {
        directory,
      },
    );
  }
  return { directory, name: basename(directory), config, ...(await readShards(directory, indexFile)) };
}

async function readShards(
  directory: string,
  indexFile: string,
): Promise<Pick<Checkpoint, "files" | "stamps" | "tensors">> {
  const index = await readJson(indexFile);
  const fail = (message: string, details: object = {}): never => {
    throw new CheckpointError("E_INDEX", `${indexFile}: ${message}`, { file: indexFile, ...details });
  };
  const map = index["weight_map"];
  if (!isObject(map) || Object.keys(map).length === 0) return fail("weight_map is missing or empty");
  const shardNames = [...new Set(Object.values(map))].map((shard) => {
    const foreign = ["", ".", ".."];
    if (typeof shard === "string" && !foreign.includes(shard) && basename(shard) === shard && !shard.includes("\\"))
      return shard;
    return fail(`weight_map names ${shown(shard)}, expected a file of the same directory`, { shard });
  });
  const files = shardNames.map((shard) => join(directory, shard));
  const tensors = new Map<string, CheckpointTensor>();
  const stamps: FileStamp[] = [];
  for (const [file, shard] of shardNames.entries()) {
    const stored = await readFileHeader(join(directory, shard));
    stamps.push(stored.stamp);
    for (const tensor of stored.tensors) if (map[tensor.name] === shard) tensors.set(tensor.name, { ...tensor, file });
  }
  for (const [name, shard] of Object.entries(map)) {
    if (tensors.has(name)) continue;
    throw new CheckpointError(
      "E_TENSOR_MISSING",
      `${indexFile} says ${name} is in ${String(shard)}, which does not have it`,
      {
        file: indexFile,
        tensor: name,
        shard,
      },
    );
  }
  return { files, stamps, tensors };
}

/** @throws CheckpointError `E_FILE_MISSING`, `E_FILE_UNREADABLE`, `E_SAFETENSORS_…` */
async function readFileHeader(path: string): Promise<{ readonly tensors: StoredTensor[]; readonly stamp: FileStamp }> {
  let handle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new CheckpointError("E_FILE_UNREADABLE", `${path} is not a file`, { file: path });
    const tensors = await readHeader(path, info.size, async (offset, length) => {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await handle.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    });
    return { tensors, stamp: stampOf(info) };
  } finally {
    await handle.close();
  }
}

function stampOf({ size, mtimeMs, ino }: Stats): FileStamp {
  return { size, modifiedMs: mtimeMs, inode: ino };
}

/**
 * Refuses a checkpoint whose files are no longer those whose headers were read.
 *
 * @throws CheckpointError `E_FILE_CHANGED`, `E_FILE_MISSING`, `E_FILE_UNREADABLE`
 */
export async function refuseChanges({ files, stamps }: Checkpoint): Promise<void> {
  for (const [index, file] of files.entries()) {
    const now = stampOf(
      await stat(file).catch((error: unknown) => {
        throw unreadable(file, error);
      }),
    );
    const then = stamps[index] ?? now;
    const shownStamp = ({ size, modifiedMs }: FileStamp): string =>
      `${size} bytes of ${new Date(modifiedMs).toISOString()}`;
    if (now.size === then.size && now.modifiedMs === then.modifiedMs && now.inode === then.inode) continue;
    throw new CheckpointError(
      "E_FILE_CHANGED",
      `${file} changed while it was read: it had ${shownStamp(then)}, now ${shownStamp(now)}; load it again when it is whole`,
      { file, then, now },
    );
  }
}

/** A JSON object from a file, duplicate names refused. */
export async function readJson(path: string): Promise<JsonObject> {
  let bytes;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  let value: unknown;
  let duplicate;
  try {
    const text = strictText(bytes);
    value = JSON.parse(text);
    duplicate = duplicateName(text);
  } catch (error) {
    throw new CheckpointError("E_JSON", `${path} is not valid JSON: ${reasonOf(error)}`, {
      file: path,
    });
  }
  if (!isObject(value)) throw new CheckpointError("E_JSON", `${path} is not a JSON object`, { file: path });
  if (duplicate !== undefined) {
    throw new CheckpointError("E_JSON", `${path} has ${JSON.stringify(duplicate)} twice`, {
      file: path,
      name: duplicate,
    });
  }
  return value;
}

/** The same, or undefined where there is no such file. */
export async function readJsonIfPresent(path: string): Promise<JsonObject | undefined> {
  return (await exists(path)) ? readJson(path) : undefined;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    // A link loop is a file that cannot be read, not one that is absent.
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
}

/** What a file that cannot be opened is told as. */
export function unreadable(path: string, error: unknown): CheckpointError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT")
    return new CheckpointError("E_FILE_MISSING", `${path} is missing`, { file: path }, { cause: error });
  return new CheckpointError(
    "E_FILE_UNREADABLE",
    `${path} cannot be read: ${message}`,
    { file: path },
    { cause: error },
  );
}
