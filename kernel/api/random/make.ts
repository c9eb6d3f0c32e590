/** Writes checkpoints with random weights of a published shape: what they compute means nothing, how fast they do it does. */

import { open, readdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

import { formatBytes } from "../../../profiler-ui/trace/format";
import { makeFolder } from "../../files/make-folder";
import { aborted, CheckpointError, reasonOf } from "../errors";
import {
  abortSignal,
  callback,
  checkOptions,
  flag,
  integer,
  nonEmptyText,
  oneOf,
  invalid,
  type Rules,
} from "../options";
import { cellProgress, type Progress } from "../progress";
import { configOf, type StoredType } from "./config";
import { Generator } from "./generator";
import { shapeLike } from "./shapes";
import { headerOf, indexOf, shardsOf, type Shard } from "./shards";
import { tensorsOf, valuesOf } from "./tensors";
import { bytesOf, fillBlock, stored } from "./values";

export interface MakeModelOptions {
  /** Published shape, such as "mamba-130m". */
  readonly like: string;
  /** Directory to write; made when missing. */
  readonly out: string;
  /** Instead of the shape's own number of layers. */
  readonly layers?: number;
  /** Any integer 0 ≤ seed < 2^53. The same seed gives the same weights. 0 unless given. */
  readonly seed?: number;
  /** Of all tensors. "bf16" unless given. */
  readonly dtype?: StoredType;
  /** Most bytes a file: a larger model is sharded, with an index. 4·10⁹ unless given. */
  readonly shardBytes?: number;
  /** Replace the model in a directory that is not empty. */
  readonly force?: boolean;
  /** Ends the writing; nothing of it stays. */
  readonly signal?: AbortSignal;
  /** Bytes written and in all. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface MadeModel {
  /** Absolute path. */
  readonly directory: string;
  readonly parameters: number;
  /** Of the weights. */
  readonly bytes: number;
  /** The safetensors files. */
  readonly files: readonly string[];
}

const rules: Rules<MakeModelOptions> = {
  like: nonEmptyText,
  out: nonEmptyText,
  layers: integer(1, 32767),
  seed: integer(0),
  dtype: oneOf("bf16", "f16", "f32"),
  shardBytes: integer(1),
  force: flag,
  signal: abortSignal,
  onProgress: callback<(progress: Progress) => void>(),
};

/** Values made between two writes, each of which lets the event loop run. */
const BLOCK = 1 << 20;

/**
 * Writes config.json and the weights of a random model. The directory gets all of them or none.
 *
 * @throws OptionError `E_OPTION_…`, `E_UNKNOWN_SHAPE`; CheckpointError `E_DIRECTORY_NOT_EMPTY`,
 *   `E_DIRECTORY_NOT_WRITABLE`, `E_DISK_FULL`; AbortedError `E_ABORTED`
 * @example
 * await makeModel({ like: "mamba-130m", layers: 2, out: "models/random" });
 */
export async function makeModel(options: MakeModelOptions): Promise<MadeModel> {
  const checked = checkOptions("makeModel", options, rules);
  for (const name of ["like", "out"] as const)
    if (checked[name] === undefined) invalid(name, rules[name].expected, undefined);
  const { layers, seed = 0, dtype = "bf16", shardBytes = 4e9, force = false, signal } = checked;
  const published = shapeLike(checked.like);
  const shape = { ...published, layers: layers ?? published.layers };
  const directory = resolve(checked.out);
  if (!force) await refuseContents(directory);
  const tensors = tensorsOf(shape);
  const parameters = tensors.reduce((sum, tensor) => sum + valuesOf(tensor), 0);
  const bytes = parameters * bytesOf[dtype];
  const shards = shardsOf(tensors, dtype, shardBytes);

  const partial = `${directory}.partial`;
  const view = checked.onProgress ? undefined : cellProgress(`writing ${checked.like}`);
  let done = 0;
  const report = (written: number): void => {
    if (signal?.aborted) throw aborted("makeModel", signal);
    done += written;
    checked.onProgress?.({ done, total: bytes });
    view?.update({ done, total: bytes });
  };
  try {
    await rm(partial, { recursive: true, force: true });
    makeFolder(partial);
    await refuseFullDisk(partial, bytes);
    const generator = new Generator(seed);
    for (const shard of shards) await writeShard(partial, shard, dtype, generator, report);
    if (shards.length > 1) await writeJson(join(partial, "model.safetensors.index.json"), indexOf(shards, bytes));
    await writeJson(join(partial, "config.json"), configOf(shape, dtype));
    await moveInto(partial, directory);
  } catch (error) {
    throw isOfDisk(error) ? notWritable(directory, error) : error;
  } finally {
    await rm(partial, { recursive: true, force: true });
    view?.end();
  }
  return { directory, parameters, bytes, files: shards.map(({ file }) => join(directory, file)) };
}

async function refuseContents(directory: string): Promise<void> {
  const contents = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw notWritable(directory, error);
  });
  const [first] = contents;
  if (first === undefined) return;
  throw new CheckpointError(
    "E_DIRECTORY_NOT_EMPTY",
    `${directory} is not empty (it has ${first}); give another directory, or force to replace the model in it`,
    { directory, found: first },
  );
}

const isOfDisk = (error: unknown): boolean => error instanceof Error && "syscall" in error;

function notWritable(directory: string, error: unknown): CheckpointError {
  const message = `${directory} cannot be written: ${reasonOf(error)}; give another directory`;
  return new CheckpointError("E_DIRECTORY_NOT_WRITABLE", message, { directory }, { cause: error });
}

async function refuseFullDisk(directory: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (needed <= free) return;
  throw new CheckpointError(
    "E_DISK_FULL",
    `the model takes ${formatBytes(needed)}, the disk of ${dirname(directory)} has ${formatBytes(free)} free; give fewer layers or another directory`,
    { needed, free },
  );
}

async function writeShard(
  directory: string,
  { file, tensors }: Shard,
  dtype: StoredType,
  generator: Generator,
  report: (bytes: number) => void,
): Promise<void> {
  const handle = await open(join(directory, file), "w");
  try {
    await handle.writeFile(headerOf(tensors, dtype));
    const values = new Float32Array(BLOCK);
    for (const tensor of tensors) {
      const size = valuesOf(tensor);
      for (let begin = 0; begin < size; begin += BLOCK) {
        const block = values.subarray(0, Math.min(BLOCK, size - begin));
        fillBlock(tensor, begin, block, generator);
        const bytes = stored(block, dtype);
        await handle.writeFile(bytes);
        report(bytes.byteLength);
      }
    }
  } finally {
    await handle.close();
  }
}

function writeJson(path: string, value: object): Promise<void> {
  return writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** The model of `from` takes the place of the one in `to`. config.json comes last: until then there is no model. */
async function moveInto(from: string, to: string): Promise<void> {
  makeFolder(to);
  const isModelFile = /^(config\.json|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json)$/;
  for (const name of await readdir(to)) if (isModelFile.test(name)) await rm(join(to, name), { force: true });
  const names = (await readdir(from)).sort((a, b) => Number(a === "config.json") - Number(b === "config.json"));
  for (const name of names) await rename(join(from, name), join(to, name));
}
