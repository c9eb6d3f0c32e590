/** Loads the model of a command with its progress on the terminal, and closes it however the work ends. */

import type { LoadOptions, Model } from "../api/index";
import { api } from "./lazy";
import { showing } from "./showing";

export async function withModel<T>(
  directory: string,
  options: LoadOptions,
  work: (model: Model) => Promise<T>,
): Promise<T> {
  const model = await showing("loading", (onProgress) => api().loadModel(directory, { ...options, onProgress }));
  try {
    return await work(model);
  } finally {
    await model.close();
  }
}
