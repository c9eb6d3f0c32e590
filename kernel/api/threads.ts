import { addon } from "./addon";

/** Threads a rank takes unless told: the cores this process may keep busy, shared out. */
export function defaultThreads(ranks: number): number {
  return Math.max(1, Math.floor(addon().cpuInfo().cores / ranks));
}
