/** The bundled model and the golden cases, and folders that vanish after a test. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readHeader } from "../../kernel/api/checkpoint/safetensors";

export const root: string = join(__dirname, "../..");
export const tinyMamba: string = join(root, "models/tiny-mamba");
export const heldoutText: string = join(root, "models/eval/hound-heldout.txt");
export const golden: string = join(root, "test/fixtures/golden");

/** One prompt of a golden case with what the reference computes from it (test/fixtures/golden/README.md). */
export interface GoldenPrompt {
  readonly tokens: number[];
  readonly greedy: number[];
  /** [tokens × vocabulary] */
  readonly logits: Float32Array;
}

export interface GoldenCase {
  readonly name: string;
  readonly directory: string;
  readonly prompts: readonly GoldenPrompt[];
  readonly toleranceF32: number;
  readonly toleranceBf16: number;
  readonly meanErrorBf16: number;
}

interface Expected {
  readonly tokens: number[] | number[][];
  readonly greedy: number[] | number[][];
  readonly tolerance_f32: number;
  readonly tolerance_bf16: number;
  readonly bf16_compute_error: { readonly mean: number };
  readonly tp: number[];
  readonly tp_with_replicated_kv_heads?: number[];
}

/** Names of the golden cases of a family. */
export function goldenNames(family: string): string[] {
  return readdirSync(golden).filter((name) => name.startsWith(`${family}-`));
}

function expectedOf(name: string): Expected {
  return JSON.parse(readFileSync(join(golden, name, "expected.json"), "utf8")) as Expected;
}

/** Degrees of tensor parallelism at which a case works. */
export function degreesOf(name: string): number[] {
  const { tp, tp_with_replicated_kv_heads: more = [] } = expectedOf(name);
  return [...new Set([...tp, ...more])];
}

export async function goldenCase(name: string): Promise<GoldenCase> {
  const directory = join(golden, name);
  const expected = expectedOf(name);
  const values = await floatTensors(join(directory, "expected.safetensors"));
  const lists = expected.tokens.map((one) => (typeof one === "number" ? expected.tokens : one)) as number[][];
  const batch = typeof expected.tokens[0] !== "number";
  const prompts = (batch ? lists : lists.slice(0, 1)).map((tokens, index): GoldenPrompt => {
    const logits = values.get(batch ? `logits.${index}` : "logits");
    if (!logits) throw new Error(`${name} has no logits of prompt ${index}`);
    const greedy = (batch ? expected.greedy[index] : expected.greedy) as number[];
    return { tokens, greedy, logits };
  });
  return {
    name,
    directory,
    prompts,
    toleranceF32: expected.tolerance_f32,
    toleranceBf16: expected.tolerance_bf16,
    meanErrorBf16: expected.bf16_compute_error.mean,
  };
}

/** The F32 tensors of a safetensors file by name. */
export async function floatTensors(path: string): Promise<Map<string, Float32Array>> {
  const bytes = readFileSync(path);
  const header = await readHeader(path, bytes.length, (offset, length) =>
    Promise.resolve(bytes.subarray(offset, offset + length)),
  );
  return new Map(
    header.map(({ name, byteOffset, byteLength }) => {
      const values = new Float32Array(byteLength / 4);
      new Uint8Array(values.buffer).set(bytes.subarray(byteOffset, byteOffset + byteLength));
      return [name, values];
    }),
  );
}

export interface Difference {
  readonly max: number;
  readonly mean: number;
}

/** Largest and mean absolute difference; NaN counts as infinite. */
export function difference(a: Float32Array, b: Float32Array): Difference {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`);
  let max = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs((a[i] ?? NaN) - (b[i] ?? NaN));
    max = Math.max(max, Number.isNaN(d) ? Infinity : d);
    sum += d;
  }
  return { max, mean: sum / a.length };
}

const folders: string[] = [];
afterAll(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A new folder, removed after the test file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "stateline-test-"));
  folders.push(folder);
  return folder;
}
