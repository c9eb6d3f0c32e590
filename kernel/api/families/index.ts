/** The model families that the engine computes, by the `model_type` of config.json. */

import type { Checkpoint } from "../checkpoint/checkpoint";
import { CheckpointError } from "../errors";
import { shown } from "../options";
import type { Family } from "./family";
import { falconMamba } from "./falcon-mamba";
import { mamba } from "./mamba";
import { zamba } from "./zamba";

const families: readonly Family[] = [mamba, falconMamba, zamba];

/**
 * Family of a checkpoint. state-spaces' original configs have no model_type but d_model and n_layer: they are Mamba.
 *
 * @throws CheckpointError `E_MODEL_TYPE`, `E_CONFIG_MISMATCH`
 */
export function familyOf({ config, directory, tensors }: Checkpoint): Family {
  const layers = config["num_hidden_layers"] ?? config["n_layer"];
  // Before anything is laid out a layer.
  if (typeof layers === "number" && layers > tensors.size) {
    throw new CheckpointError(
      "E_CONFIG_MISMATCH",
      `${directory}/config.json says ${layers} layers, but the files have ${tensors.size} tensors`,
      { layers, tensors: tensors.size },
    );
  }
  const original = config["model_type"] === undefined && "d_model" in config && "n_layer" in config;
  const modelType = original ? mamba.modelType : config["model_type"];
  const family = families.find((one) => one.modelType === modelType);
  if (family) return family;
  const supported = families.map((one) => one.modelType).join(", ");
  const has = modelType === undefined ? "has no model_type" : `has model_type ${shown(modelType)}`;
  throw new CheckpointError("E_MODEL_TYPE", `${directory}/config.json ${has}; supported: ${supported}`, {
    modelType,
    supported,
  });
}
