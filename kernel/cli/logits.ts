/** `stateline logits`: the logits after every token as little-endian float32, [tokens × vocabulary]. */

import { rename, rm, writeFile } from "node:fs/promises";
import { endianness } from "node:os";
import { resolve } from "node:path";

import { Command, InvalidArgumentError } from "commander";

import { withModel } from "./model";
import {
  loadOptions,
  positiveInteger,
  tokenIds,
  withJson,
  withModelOptions,
  type ModelFlags,
  type OutputFlags,
} from "./options";
import { interruptible, note, printJson, writing } from "./output";

/** Tokens a step; "once": all. */
type Prefill = number | "once";

interface Flags extends ModelFlags, OutputFlags {
  readonly tokens: number[];
  readonly out: string;
  readonly prefill: Prefill;
}

/** Tokens that a step holds where the prompt is shorter. */
const USUAL_STEP = 512;

export function logitsCommand(): Command {
  const command = new Command("logits").description("write the logits after every token of a prompt");
  withModelOptions(command)
    .requiredOption("--tokens <ids>", "token ids, like 1,2,3", tokenIds)
    .requiredOption("--out <file>", "file to write: little-endian float32, [tokens × vocabulary]")
    .option("--prefill <how>", "once, step or chunk:N; all give the same logits", prefill, "once");
  return withJson(command).action((flags: Flags) => interruptible((signal) => logits(flags, signal)));
}

function prefill(text: string): Prefill {
  if (text === "once") return "once";
  if (text === "step") return 1;
  const chunk = /^chunk:(.+)$/.exec(text)?.[1];
  if (chunk === undefined) throw new InvalidArgumentError("Expected once, step or chunk:N.");
  return positiveInteger(chunk);
}

async function logits(flags: Flags, signal: AbortSignal): Promise<void> {
  const { tokens } = flags;
  const chunk = flags.prefill === "once" ? tokens.length : Math.min(flags.prefill, tokens.length);
  const maxTokens = Math.max(USUAL_STEP, chunk);
  await withModel(flags.model, { ...loadOptions(flags), maxTokens, signal }, async (model) => {
    const values = await model.logits(tokens, { chunk, signal });
    const out = resolve(flags.out);
    await writing(out, () => writeFloats(out, values));
    const { vocabulary } = model.config;
    if (flags.json)
      printJson({ out, tokens: tokens.length, vocabulary, bytes: values.byteLength, loadMs: model.loadMs });
    else note(`wrote ${out}: float32 [${tokens.length} × ${vocabulary}]`);
  });
}

/** The file appears whole or not at all. */
async function writeFloats(path: string, values: Float32Array): Promise<void> {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  if (endianness() === "BE") bytes.swap32();
  const part = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(part, bytes);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
