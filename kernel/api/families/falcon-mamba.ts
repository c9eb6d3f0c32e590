/** Falcon-Mamba (arXiv 2410.05355): Mamba with RMS norms without weights on dt, B and C. */

import type { Checkpoint } from "../checkpoint/checkpoint";
import { checkRanks, embeddingName, tensors } from "./backbone";
import { epsilonOf, vocabularyOf } from "./config";
import type { Family, ModelConfig } from "./family";
import { transformersSizes } from "./mamba";

export const falconMamba: Family = { modelType: "falcon_mamba", config, tensors, checkRanks };

function config(checkpoint: Checkpoint): ModelConfig {
  const json = checkpoint.config;
  return {
    family: "falcon_mamba",
    ...transformersSizes(checkpoint, json),
    mixerHeads: 1,
    ssmEpsilon: epsilonOf(checkpoint, json, "mixer_rms_eps", 1e-6),
    vocabulary: vocabularyOf(checkpoint, embeddingName(checkpoint)),
    tiedHead: !checkpoint.tensors.has("lm_head.weight"),
  };
}
