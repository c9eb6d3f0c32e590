/** Loads the model of a command with its progress on the terminal, and closes it however the work ends. */

import type { LoadOptions, Model } from "../api/index";
import { api, progress } from "./lazy";

export async function withModel<T>(
  directory: string,
  options: LoadOptions,
  work: (model: Model) => Promise<T>,
): Promise<T> {
  const view = progress().terminalProgress("loading");
  const onProgress = (state: { readonly done: number; readonly total: number }): void => view?.update(state);
  const model = await api()
    .loadModel(directory, { ...options, onProgress })
    .finally(() => view?.end());
  try {
    return await work(model);
  } finally {
    await model.close();
  }
}
