/** Records one generation on several models, a run each, so that the runs can be compared. */

import { generateRules } from "../model/generation";
import type { Model } from "../model/model";
import { callback, checkOptions, integer, invalid, type Rules } from "../options";
import { cellProgress, type Progress } from "../progress";
import { recordingRules, type ProfileModelOptions } from "./profile";
import { Recording } from "./recording";
import { Run } from "./run";

export interface ProfileByTurnsOptions extends Omit<ProfileModelOptions, "label" | "models"> {
  /** Generations of each model; 8 unless given. Fewer than 5 cannot tell a difference from what a machine varies by. */
  readonly rounds?: number;
  /** What the page calls each run; the models' names and plans unless given. */
  readonly labels?: readonly string[];
  /** Generations done. */
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Records the same generation on each model, `rounds` times by turns, since a machine's pace changes from second to
 * second: one model after the other would measure that too. Each round goes the other way round (ABBA), so that going
 * first favours nobody.
 *
 * @throws OptionError; RunError `E_RECORDING`, `E_RUNS_NOT_WRITABLE`, `E_RUN_NOT_WRITTEN`
 * @example
 * const [f16, int8] = await profileByTurns([a, b], { prompt: "The", maxNewTokens: 64 });
 * await compare(f16, int8);
 */
export async function profileByTurns<const M extends readonly Model[]>(
  models: M,
  options: ProfileByTurnsOptions = {},
): Promise<{ [K in keyof M]: Run }> {
  if (!recordingRules.models.accepts(models)) invalid("models", recordingRules.models.expected, models);
  const { prompt = "The", ...others } = options;
  const { rounds = 8, labels, runs: folder, onProgress, ...generation } = checkOptions("profileByTurns", others, rules);
  if (labels && labels.length !== models.length) invalid("labels", `${models.length} texts`, labels);
  const view = onProgress ? undefined : cellProgress("recording by turns");
  const onToken = generation.onToken ?? (() => undefined); // no bar for each generation
  const total = rounds * models.length;
  const recordings: Recording[] = [];
  try {
    for (const [index, model] of models.entries())
      recordings.push(
        await Recording.start({ models: [model], label: labels?.[index] ?? "", ...(folder && { runs: folder }) }),
      );
    for (let done = 0; done < total; done++) {
      const round = Math.floor(done / models.length);
      const turn = done % models.length;
      const model = models[round % 2 === 0 ? turn : models.length - 1 - turn];
      await model?.generate(prompt, { cache: false, ...generation, onToken });
      onProgress?.({ done: done + 1, total });
      view?.update({ done: done + 1, total });
    }
  } catch (error) {
    // The caller's error counts; one from writing the runs would only hide it.
    await Promise.allSettled(recordings.map((recording) => recording.finish()));
    throw error;
  } finally {
    view?.end();
  }
  const runs = await Promise.all(recordings.map(async (each) => new Run(await each.finish(), each.folder)));
  return runs as { [K in keyof M]: Run };
}

const rules: Rules<Omit<ProfileByTurnsOptions, "prompt">> = {
  ...generateRules,
  runs: recordingRules.runs,
  rounds: integer(1),
  labels: {
    expected: "a list of texts",
    accepts: (v): v is readonly string[] => Array.isArray(v) && v.every((one) => typeof one === "string"),
  },
  onProgress: callback(),
};
