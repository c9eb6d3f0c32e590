/** Runs held in memory, for servers under test. */

import type { RunData } from "../../../profiler-ui/trace/compare";
import { RunError } from "../../../profiler-ui/trace/errors";
import type { RunSource } from "../../../profiler-ui/trace/run";

export function sourceOf(runs: readonly RunData[]): RunSource {
  const find = (id: string): RunData => {
    const run = runs.find(({ info }) => info.id === id);
    if (!run) throw new RunError("E_RUN_NOT_FOUND", `There is no run ${id}.`, { id });
    return run;
  };
  return {
    list: () => Promise.resolve(runs.map(({ info }) => info)),
    info: async (id) => Promise.resolve(find(id).info),
    events: async (id) => Promise.resolve(structuredClone(find(id).events)),
  };
}
