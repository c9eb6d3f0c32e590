/** `stateline eval`: perplexity of a text file, in windows. */

import { readFile } from "node:fs/promises";

import { Command } from "commander";

import { reasonOf, StatelineError } from "../../profiler-ui/trace/errors";
import { formatNumber } from "../../profiler-ui/trace/format";
import { withModel } from "./model";
import { loadOptions, positiveInteger, withJson, withModelOptions, type ModelFlags, type OutputFlags } from "./options";
import { interruptible, printJson, printLine } from "./output";
import { showing } from "./showing";

interface Flags extends ModelFlags, OutputFlags {
  readonly file: string;
  readonly window: number;
  readonly stride?: number;
  readonly limit?: number;
}

export function evalCommand(): Command {
  const command = new Command("eval").description("perplexity of a text");
  withModelOptions(command)
    .requiredOption("--file <text>", "UTF-8 text to score")
    .option(
      "--window <tokens>",
      "tokens a window; each starts from an empty state, its first token is not scored",
      positiveInteger,
      512,
    )
    .option("--stride <tokens>", "from one window to the next: less than --window overlaps them", positiveInteger)
    .option("--limit <windows>", "only the first windows", positiveInteger);
  return withJson(command).action((flags: Flags) => interruptible((signal) => evaluate(flags, signal)));
}

async function evaluate(flags: Flags, signal: AbortSignal): Promise<void> {
  const { file } = flags;
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new StatelineError(
      "E_TEXT_UNREADABLE",
      `cannot read ${file}: ${reasonOf(error)}`,
      { file },
      { cause: error },
    );
  });
  await withModel(flags.model, { ...loadOptions(flags), signal }, async (model) => {
    const result = await showing("scoring", (onProgress) =>
      model.perplexity(text, {
        window: flags.window,
        signal,
        ...(flags.stride === undefined ? {} : { stride: flags.stride }),
        ...(flags.limit === undefined ? {} : { limit: flags.limit }),
        onProgress,
      }),
    );
    if (flags.json) return printJson({ ...result, loadMs: model.loadMs });
    const { perplexity, bitsPerByte, nll, scoredTokens, windows } = result;
    printLine(
      `perplexity ${formatNumber(perplexity)} a token, ${nll.toFixed(4)} nats a token, ${bitsPerByte.toFixed(4)} bits a byte`,
    );
    printLine(
      `${scoredTokens} tokens scored in ${windows} windows of ${flags.window}; loaded in ${formatNumber(model.loadMs)} ms`,
    );
  });
}
