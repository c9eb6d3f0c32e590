/** The models that are open, and the recording that watches them. Each side finds the other here. */

import type { Model } from "./model";
import type { RunRequest } from "../../../profiler-ui/trace/run";

/** What a recording wants to know while it is on. */
export interface Watcher {
  /** A model was loaded. */
  opened(model: Model): void;
  /** A model is about to close: its spans must be taken now. */
  closing(model: Model): void;
  /** Number for a generation that begins. */
  nextRequest(): number;
  finished(request: RunRequest): void;
}

// Weak, so that a model nobody closed can still be collected.
const open = new Set<WeakRef<Model>>();
let current: Watcher | undefined;

export function openModels(): Model[] {
  for (const reference of open) if (!reference.deref()) open.delete(reference);
  return [...open].flatMap((reference) => reference.deref() ?? []);
}

export function modelOpened(model: Model): void {
  open.add(new WeakRef(model));
  current?.opened(model);
}

export function modelClosing(model: Model): void {
  current?.closing(model);
  for (const reference of open) if (reference.deref() === model) open.delete(reference);
}

/** The recording that is on, if any. */
export function watcher(): Watcher | undefined {
  return current;
}

export function setWatcher(next: Watcher | undefined): void {
  current = next;
}
