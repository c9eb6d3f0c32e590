/** What a list of runs says of each: it is looked at every few seconds, and a run's whole description may be long. */

import type { RunInfo, RunModel } from "./run";
import { servedSpeed } from "./served";

/** What runs are called and told apart by. */
export type RunName = Pick<RunInfo, "id" | "label" | "createdAt" | "tensorParallel" | "allReduce"> & {
  readonly model: Pick<RunModel, "name">;
};

export interface RunListing
  extends
    RunName,
    Pick<RunInfo, "status" | "device" | "computeType" | "events" | "lost" | "durationNs" | "notes" | "tags"> {
  /** Median over the run's requests; null where there are none. */
  readonly firstTokenNs: number | null;
  /** Tokens a second, median over the run's requests of more than one token; null where there are none. */
  readonly decode: number | null;
  /** Beginnings of the requests' prompts, by which a run is found. */
  readonly prompts: string;
}

/** Characters of all prompts by which a run is found. */
const MOST_PROMPT = 2000;

export function listingOf(run: RunInfo): RunListing {
  const { id, label, createdAt, tensorParallel, allReduce, model, status, device, computeType } = run;
  const { events, lost, durationNs, notes, tags, requests } = run;
  const served = servedSpeed(requests);
  const known = (value: number | undefined): number | null => (Number.isFinite(value) ? (value ?? null) : null);
  return {
    ...{ id, label, createdAt, tensorParallel, allReduce, status, device, computeType, events, lost, durationNs },
    model: { name: model.name },
    ...(notes === undefined ? {} : { notes }),
    ...(tags === undefined ? {} : { tags }),
    firstTokenNs: known(served?.firstTokenNs),
    decode: known(served?.decode),
    prompts: promptsOf(requests),
  };
}

/** Of many requests the first ones. */
function promptsOf(requests: RunInfo["requests"]): string {
  let text = "";
  for (const { prompt } of requests) {
    if (text.length >= MOST_PROMPT) break;
    text += `${text === "" ? "" : " "}${prompt.slice(0, MOST_PROMPT - text.length)}`;
  }
  return text;
}
