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
 * @throws CheckpointError `E_MODEL_TYPE`
 */
export function familyOf({ config, directory }: Checkpoint): Family {
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
