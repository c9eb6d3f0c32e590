/** Options that the commands share, and how their texts are read. A text that does not fit is wrong usage. */

import { InvalidArgumentError, Option, type Command } from "commander";

import type { LoadOptions, SamplingOptions } from "../api/index";

/** What the model commands have in common, as commander gives it. */
export interface ModelFlags {
  readonly model: string;
  readonly tp: number;
  readonly threadsPerRank?: number;
  readonly device: NonNullable<LoadOptions["device"]>;
  readonly gpus?: readonly number[];
  readonly gpuLink: NonNullable<LoadOptions["gpuLink"]>;
  readonly compute: NonNullable<LoadOptions["computeType"]>;
  readonly allReduce: Extract<LoadOptions["allReduce"], string>;
  readonly quantisationGroup?: number;
  readonly overlap: boolean;
}

export interface OutputFlags {
  readonly json?: boolean;
}

/** How tokens are chosen, as commander gives it. */
export type SamplingFlags = Required<Omit<SamplingOptions, "logprobs">> & Pick<SamplingOptions, "logprobs">;

/** Adds `--model` and what says where and how the model runs. */
export function withModelOptions(command: Command): Command {
  return command
    .requiredOption("--model <dir>", "directory with config.json and model.safetensors")
    .option("--tp <ranks>", "tensor-parallel ranks", positiveInteger, 1)
    .option(
      "--threads-per-rank <threads>",
      "threads that share a rank's work (default: cores / ranks)",
      positiveInteger,
    )
    .addOption(new Option("--device <device>", "where to compute").choices(["auto", "cpu", "cuda"]).default("auto"))
    .option("--gpus <ordinals>", "GPU of each rank, 0,0 shares one (default: a GPU a rank)", gpuList)
    .addOption(
      new Option("--gpu-link <link>", "how sums travel between GPUs").choices(["auto", "peer", "nccl"]).default("auto"),
    )
    .addOption(
      new Option("--compute <type>", "type of the arithmetic")
        .choices(["auto", "f32", "bf16", "f16", "int8"])
        .default("auto"),
    )
    .addOption(
      new Option("--all-reduce <type>", "type on the wire")
        .choices(["auto", "f32", "f16", "bf16", "int8"])
        .default("auto"),
    )
    .option("--quantisation-group <values>", "values that share a scale on an int8 wire", positiveInteger)
    .option("--no-overlap", "compute nothing while x_proj's AllReduce is in flight, to compare");
}

/** Adds what says how tokens are chosen. */
export function withSamplingOptions(command: Command): Command {
  return command
    .option("--temperature <value>", "0 takes the most likely token", nonNegative, 0)
    .option("--top-k <count>", "only the k most likely tokens, 0: all", integerFromZero, 0)
    .option("--top-p <share>", "only the most likely tokens of this total probability", probability, 1)
    .option("--min-p <share>", "only tokens of this share of the likeliest one's probability, 0: all", share, 0)
    .option("--repetition-penalty <factor>", "above 1 makes tokens that came before less likely", positive, 1)
    .option("--seed <number>", "the same seed gives the same tokens", integerFromZero, 0)
    .option("--logprobs <count>", "log-probability of each token and of this many likeliest ones", integerFromZero);
}

/** The API's options of how tokens are chosen. */
export function samplingOptions(flags: SamplingFlags): SamplingOptions {
  const { temperature, topK, topP, minP, repetitionPenalty, seed, logprobs } = flags;
  return { temperature, topK, topP, minP, repetitionPenalty, seed, ...(logprobs === undefined ? {} : { logprobs }) };
}

export function withJson(command: Command): Command {
  return command.option("--json", "print one JSON object on stdout and nothing else");
}

/** The API's options of a model command. */
export function loadOptions(flags: ModelFlags): LoadOptions {
  return {
    tensorParallel: flags.tp,
    device: flags.device,
    ...(flags.gpus === undefined ? {} : { gpus: flags.gpus }),
    gpuLink: flags.gpuLink,
    computeType: flags.compute,
    allReduce:
      flags.quantisationGroup === undefined
        ? flags.allReduce
        : { outProj: flags.allReduce, group: flags.quantisationGroup },
    overlap: flags.overlap,
    cacheBytes: 0, // a command reads each prompt once
    ...(flags.threadsPerRank === undefined ? {} : { threadsPerRank: flags.threadsPerRank }),
  };
}

/** `--runs` as the API's option: what is not given is not named. */
export function runsOption(runs: string | undefined): { readonly runs?: string } {
  return runs === undefined ? {} : { runs };
}

function gpuList(text: string): readonly number[] {
  return text.split(",").map(integerFromZero);
}

export function positiveInteger(text: string): number {
  return numberIn(text, /^\d+$/, 1, Number.MAX_SAFE_INTEGER, "an integer of at least 1");
}

/** Any integer from `min` to `max`. */
export function integerIn(min: number, max: number): (text: string) => number {
  return (text) => numberIn(text, /^\d+$/, min, max, `an integer from ${min} to ${max}`);
}

/** "4096", "4K", "16M" or "1G", by powers of 1024 as nccl-tests read them; from `min` to `max` bytes. */
export function bytesIn(min: number, max: number): (text: string) => number {
  return (text) => {
    const [, digits = "", unit = ""] = /^(\d+)([KMG]?)B?$/i.exec(text) ?? [];
    const value = Number(digits) * 1024 ** ["", "K", "M", "G"].indexOf(unit.toUpperCase());
    if (digits !== "" && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected ${min} to ${max} bytes, as 4096, 4K or 16M.`);
  };
}

export function integerFromZero(text: string): number {
  return numberIn(text, /^\d+$/, 0, Number.MAX_SAFE_INTEGER, "an integer of at least 0");
}

export function nonNegative(text: string): number {
  return numberIn(text, /^\d*\.?\d+(e[+-]?\d+)?$/i, 0, Number.MAX_VALUE, "a number of at least 0");
}

export function positive(text: string): number {
  return numberIn(text, /^\d*\.?\d+(e[+-]?\d+)?$/i, Number.MIN_VALUE, Number.MAX_VALUE, "a number above 0");
}

export function share(text: string): number {
  return numberIn(text, /^\d*\.?\d+(e[+-]?\d+)?$/i, 0, 1, "a number from 0 to 1");
}

export function probability(text: string): number {
  return numberIn(text, /^\d*\.?\d+(e[+-]?\d+)?$/i, Number.MIN_VALUE, 1, "a number above 0 and at most 1");
}

/** "1,2,3" */
export function tokenIds(text: string): number[] {
  if (/^\d+(,\d+)*$/.test(text.trim())) return text.trim().split(",").map(Number);
  throw new InvalidArgumentError("Expected token ids like 1,2,3.");
}

/** "1,2,4" */
export function positiveIntegers(text: string): number[] {
  return text.split(",").map(positiveInteger);
}

/** A list of some of `words`: "f16,int8". */
export function wordsOf<T extends string>(...words: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(",").map((one) => {
      const word = words.find((known) => known === one);
      if (word === undefined) throw new InvalidArgumentError(`Expected some of ${words.join(",")}.`);
      return word;
    });
}

function numberIn(text: string, pattern: RegExp, min: number, max: number, expected: string): number {
  const value = Number(text);
  if (pattern.test(text) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`Expected ${expected}.`);
}
