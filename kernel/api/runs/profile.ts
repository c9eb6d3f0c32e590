/** Records what the ranks do while a function runs. */

import { checkOptions, invalid, nonEmptyText, text, type Rules } from "../options";
import { generateRules, type GenerateOptions } from "../model/generation";
import { Model } from "../model/model";
import type { Prompt } from "../model/prompt";
import { Recording, type RecordingOptions } from "./recording";
import { Run } from "./run";

export interface ProfileOptions extends RecordingOptions {
  /** What the page calls the run. */
  readonly label?: string;
}

/**
 * For `profile(model)`: what to generate while recording. The prompt is read as a whole unless `cache` asks for what
 * earlier ones left.
 */
export interface ProfileModelOptions extends ProfileOptions, GenerateOptions {
  /** "The" unless given; a model without tokenizer needs token ids. */
  readonly prompt?: Prompt;
}

/**
 * Records everything the ranks of all open models (or of `models`) do while `work` runs, or while a model generates.
 * When `work` throws, the run is completed and the error thrown on.
 *
 * @throws RunError `E_RUNS_NOT_WRITABLE` before anything runs, `E_RECORDING`, `E_RUN_NOT_WRITTEN`
 * @example
 * const run = await profile(() => model.generate("Sherlock Holmes took"), { label: "int8" });
 */
export function profile(work: () => unknown, options?: ProfileOptions): Promise<Run>;
export function profile(model: Model, options?: ProfileModelOptions): Promise<Run>;
export async function profile(work: Model | (() => unknown), options: ProfileModelOptions = {}): Promise<Run> {
  if (work instanceof Model) {
    const { prompt = "The", label, runs, models, ...generation } = options;
    checkOptions("profile", generation, generateRules);
    const checked = checkOptions("profile", { label, runs, models }, recordingRules);
    return (await recorded(() => work.generate(prompt, { cache: false, ...generation }), checked)).run;
  }
  if (typeof work !== "function") invalid("work", "a function or a model", work);
  return (await recorded(work, checkOptions("profile", options, recordingRules))).run;
}

export const recordingRules: Rules<RecordingOptions> = {
  label: text,
  runs: nonEmptyText,
  models: {
    expected: "a list of models, each once",
    accepts: (v): v is readonly Model[] =>
      Array.isArray(v) && v.length > 0 && new Set(v).size === v.length && v.every((one) => one instanceof Model),
  },
};

/** A run, and what the function gave that was recorded. */
export interface Recorded<T> {
  readonly run: Run;
  readonly value: T;
}

/** `profile` that also hands over what `work` gives. */
export async function recorded<T>(work: () => T | Promise<T>, options: RecordingOptions): Promise<Recorded<T>> {
  const recording = await Recording.start(options);
  let value: T;
  try {
    value = await work();
  } catch (error) {
    // The caller's error counts; one from writing the run would only hide it.
    await recording.finish().catch(() => undefined);
    throw error;
  }
  return { run: new Run(await recording.finish(), recording.folder), value };
}
