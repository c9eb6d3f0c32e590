/** The models that are open, and the recordings that watch them. Each side finds the other here. */

import type { Model } from "./model";
import type { RunRequest } from "../../../profiler-ui/trace/run";

/** What a recording wants to know while it is on. */
export interface Watcher {
  /** Whether it is this model's; no two watchers share one. */
  watches(model: Model): boolean;
  /** A model of its was loaded. */
  opened(model: Model): void;
  /** A model is about to close: its spans must be taken now. */
  closing(model: Model): void;
  /** Number for a generation that begins. */
  nextRequest(): number;
  finished(request: RunRequest): void;
}

// Weak, so that a model nobody closed can still be collected.
const open = new Set<WeakRef<Model>>();
const watchers = new Set<Watcher>();

export function openModels(): Model[] {
  for (const reference of open) if (!reference.deref()) open.delete(reference);
  return [...open].flatMap((reference) => reference.deref() ?? []);
}

export function modelOpened(model: Model): void {
  open.add(new WeakRef(model));
  watcherOf(model)?.opened(model);
}

export function modelClosing(model: Model): void {
  watcherOf(model)?.closing(model);
  for (const reference of open) if (reference.deref() === model) open.delete(reference);
}

/** The recording that a model is part of, if any. */
export function watcherOf(model: Model): Watcher | undefined {
  return [...watchers].find((watcher) => watcher.watches(model));
}

export function activeWatchers(): ReadonlySet<Watcher> {
  return watchers;
}

export function addWatcher(watcher: Watcher): void {
  watchers.add(watcher);
}

export function removeWatcher(watcher: Watcher): void {
  watchers.delete(watcher);
}
