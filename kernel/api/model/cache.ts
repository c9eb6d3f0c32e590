/** The prefix cache's size, and what it says of itself. */

import { totalmem } from "node:os";

import { formatBytes } from "../../../profiler-ui/trace/format";
import type { MimeBundle } from "../display";
import { htmlTable, textTable, type Table } from "../draw/table";
import { OptionError } from "../errors";
import type { ModelConfig } from "../families/family";
import type { CacheStats, EngineSpec } from "../native";

/** The states of a prompt of this length shall not fill more than half of the cache, nor shall it cost more than 1/32 to read again. */
const PROMPT = 2048;

/** Bytes of one state: the convolution's inputs and the recurrence of every layer, in f32. */
export function stateBytes({ layers, taps, states, inner }: ModelConfig): number {
  return layers * (taps - 1 + states) * inner * Float32Array.BYTES_PER_ELEMENT;
}

/**
 * What the cache may hold and how close its states lie. Unless asked for: a sixteenth of the machine's memory, at most
 * 1 GiB.
 *
 * @throws OptionError `E_CACHE_BYTES` where not even one state finds room
 */
export function chooseCache(
  asked: number | undefined,
  config: ModelConfig,
): Pick<EngineSpec, "cacheBytes" | "cacheInterval"> {
  const state = stateBytes(config);
  const least = 2 * state; // room for what comes with a state: tokens, keys and values
  if (asked !== undefined && asked > 0 && asked < least) {
    throw new OptionError(
      "E_CACHE_BYTES",
      `cacheBytes must be 0 (no cache) or at least ${least}, since one state of this model takes ${state} bytes; got ${asked}`,
      { name: "cacheBytes", got: asked, least, state },
    );
  }
  const share = Math.min(2 ** 30, Math.floor(totalmem() / 16));
  const cacheBytes = asked ?? (share < least ? 0 : share);
  let cacheInterval = PROMPT / 32;
  while (cacheInterval < PROMPT && (PROMPT / cacheInterval) * state > cacheBytes / 2) cacheInterval *= 2;
  return { cacheBytes, cacheInterval };
}

export function drawCache(stats: CacheStats): MimeBundle {
  const misses = Object.entries(stats.misses).filter(([, count]) => count > 0);
  const last = stats.lastMiss ? `; the last: ${stats.lastMiss.reason}, at token ${stats.lastMiss.token}` : "";
  const rows: [string, string][] = [
    ["states", `${stats.states}, ${formatBytes(stats.bytes)} of ${formatBytes(stats.budget)}`],
    ["prompts", `${stats.lookups}: ${stats.hits} hits, ${stats.partialHits} partial`],
    ["misses", (misses.map(([reason, count]) => `${count} ${reason}`).join(", ") || "none") + last],
    ["prompt tokens", `${stats.tokensReused} reused, ${stats.tokensComputed} computed`],
    ["kept", `${stats.kept}, of which ${stats.evictions} dropped to make room; ${stats.tooLarge} found none`],
  ];
  const table: Table = { columns: [{ title: "prefix cache" }, { title: "" }], rows };
  return { "text/plain": textTable(table), "text/html": htmlTable(table) };
}
