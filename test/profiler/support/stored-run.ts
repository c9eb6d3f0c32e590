/** Synthetic runs as folders on disk, written by the engine's own writer. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { storeEvents } from "../../../kernel/api/runs/store-events";
import { writeInfo } from "../../../kernel/api/runs/folder";
import type { RunData } from "../../../profiler-ui/trace/compare";

export async function storeRun(root: string, { info, events }: RunData): Promise<string> {
  const folder = join(root, info.id);
  mkdirSync(folder, { recursive: true });
  await storeEvents(folder, events);
  await writeInfo(folder, info);
  return folder;
}
