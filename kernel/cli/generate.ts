/** `stateline generate`: text or token ids after a prompt, streamed; with --record as a run. */

import { Command } from "commander";

import { formatBytes, formatNumber } from "../../profiler-ui/trace/format";
import type { GenerateOptions, Generation, Model, Prompt, Run } from "../api/index";
import { api, profiling } from "./lazy";
import { withModel } from "./model";
import {
  loadOptions,
  positiveInteger,
  runsOption,
  samplingOptions,
  tokenIds,
  withJson,
  withModelOptions,
  withSamplingOptions,
  type ModelFlags,
  type OutputFlags,
  type SamplingFlags,
} from "./options";
import { interruptible, note, printJson, printLine } from "./output";

interface Flags extends ModelFlags, SamplingFlags, OutputFlags {
  readonly prompt?: string;
  readonly chat?: boolean;
  readonly system?: string;
  readonly tokens?: number[];
  readonly maxNewTokens: number;
  readonly stop?: string[];
  readonly stopTokens?: number[];
  readonly record?: boolean;
  readonly runs?: string;
}

export function generateCommand(): Command {
  const command = new Command("generate").description("continue a prompt");
  withSamplingOptions(withModelOptions(command))
    .option("--prompt <text>", "text to continue")
    .option("--chat", "the prompt is a user's message, put into the model's chat template")
    .option("--system <text>", "with --chat: a system message before it")
    .option("--tokens <ids>", "token ids to continue, like 1,2,3", tokenIds)
    .option("--max-new-tokens <count>", "most tokens to add", positiveInteger, 128)
    .option("--stop <text...>", "end before this text")
    .option("--stop-tokens <ids>", "end with one of these, like 0,2, instead of the model's own", tokenIds)
    .option("--record", "record a run")
    .option("--runs <folder>", "folder of runs (default: $STATELINE_RUNS or runs)");
  return withJson(command).action((flags: Flags) => interruptible((signal) => generate(command, flags, signal)));
}

async function generate(command: Command, flags: Flags, signal: AbortSignal): Promise<void> {
  const prompt = promptOf(command, flags);
  await withModel(flags.model, { ...loadOptions(flags), signal }, async (model) => {
    const stream = !flags.json && model.tokenizer !== undefined;
    const options: GenerateOptions = {
      maxNewTokens: flags.maxNewTokens,
      ...samplingOptions(flags),
      signal,
      ...(flags.stop ? { stop: flags.stop } : {}),
      ...(flags.stopTokens ? { stopTokens: flags.stopTokens } : {}),
      onToken: ({ text }) => stream && process.stdout.write(text),
    };
    const { generation, run } = await generateOnce(model, prompt, options, flags);
    if (flags.json) printJson({ ...jsonOf(generation, run), loadMs: model.loadMs });
    else report(generation, run, stream, model.loadMs);
  });
}

/** @throws CommanderError, exit code 2 */
function promptOf(command: Command, { prompt, tokens, chat, system }: Flags): Prompt {
  if (system !== undefined && !chat) command.error("error: --system goes with --chat", { exitCode: 2 });
  if (chat && prompt !== undefined && tokens === undefined) {
    const before = system === undefined ? [] : [{ role: "system", content: system }];
    return { messages: [...before, { role: "user", content: prompt }] };
  }
  if (prompt !== undefined && tokens === undefined) return prompt;
  if (tokens !== undefined && prompt === undefined && !chat) return tokens;
  return command.error("error: give either --prompt or --tokens; --chat goes with --prompt", { exitCode: 2 });
}

interface Outcome {
  readonly generation: Generation;
  readonly run?: Run;
}

async function generateOnce(model: Model, prompt: Prompt, options: GenerateOptions, flags: Flags): Promise<Outcome> {
  if (!flags.record) return { generation: await model.generate(prompt, options) };
  const { value, run } = await profiling().recorded(() => model.generate(prompt, options), runsOption(flags.runs));
  return { generation: value, run };
}

function jsonOf(generation: Generation, run: Run | undefined): object {
  const { tokens, text, promptTokens, finish, ttftMs, prefillTokensPerSecond, decodeTokensPerSecond, wireBytes } =
    generation;
  return {
    ...{ tokens, text, promptTokens, finish, ttftMs, prefillTokensPerSecond, decodeTokensPerSecond, wireBytes },
    ...(generation.logprobs ? { logprobs: generation.logprobs } : {}),
    runId: run?.id ?? null,
  };
}

function report(generation: Generation, run: Run | undefined, streamed: boolean, loadMs: number): void {
  printLine(streamed ? "" : generation.tokens.join(","));
  if (generation.logprobs) printLine(`\n${api().logprobTable(generation.logprobs)}`);
  const { ttftMs, prefillTokensPerSecond, decodeTokensPerSecond, wireBytes } = generation;
  const rates = `prefill ${formatNumber(prefillTokensPerSecond)}, decode ${formatNumber(decodeTokensPerSecond)} tokens/s`;
  note(`loaded in ${formatNumber(loadMs)} ms`);
  note(`first token after ${formatNumber(ttftMs)} ms; ${rates}; ${formatBytes(wireBytes)} on the wire`);
  if (run) note(`recorded as ${run.id}; see it with: stateline serve`);
}
