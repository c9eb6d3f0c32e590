import type { Progress } from "../api/index";
import { progress } from "./lazy";

/** Runs `work` with its progress on the terminal, which is cleared however it ends. */
export function showing<T>(what: string, work: (onProgress: (state: Progress) => void) => Promise<T>): Promise<T> {
  const view = progress().terminalProgress(what);
  return work((state) => view?.update(state)).finally(() => view?.end());
}
