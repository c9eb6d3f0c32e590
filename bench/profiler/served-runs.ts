/** What the benchmarks of the page have in common: synthetic runs on disk, served by a process of its own, whose memory is watched. */

import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { formatCount } from "../../profiler-ui/trace/format";
import { storeRun } from "../../test/profiler/support/stored-run";
import { syntheticLargeRun, type SyntheticOptions } from "../../test/profiler/support/synthetic-run";

/** A folder with runs of eight ranks and at least `events` events each, made once. */
export async function storedRuns(
  events: number,
  runs: readonly (SyntheticOptions & { id: string })[],
): Promise<string> {
  const folder = join("build/bench/runs", String(events));
  for (const options of runs) {
    if (existsSync(join(folder, options.id, "run.json"))) continue;
    process.stderr.write(`Storing ${formatCount(events)} events …\n`);
    await storeRun(folder, syntheticLargeRun(events, options));
  }
  return folder;
}

export interface Served {
  readonly process: ChildProcess;
  readonly url: string;
}

/** Starts `stateline serve` of a checkout that is built. */
export async function serve(checkout: string, folder: string): Promise<Served> {
  const child = spawn(process.execPath, [join(checkout, "dist/kernel/cli/main.js"), "serve", folder, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    return { process: child, url: (JSON.parse(line) as { url: string }).url };
  }
  throw new Error("`stateline serve` ended before it listened.");
}

/** Peak of a process's memory in bytes, as Linux counts it; NaN where the system does not say. */
export function peakOf({ pid }: ChildProcess): number {
  const path = `/proc/${pid}/status`;
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(text)?.[1] ?? NaN) * 1024;
}
