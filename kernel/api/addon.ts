/**
 * Loads the compiled engine when it is first needed: build/Release/stateline.node, unless STATELINE_ADDON names another, as tests of
 * the engine on CUDA do.
 */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { DeviceError, fromNative, reasonOf } from "./errors";
import type { NativeAddon } from "./native";
import { packageRoot } from "./package-root";

let loaded: NativeAddon | undefined;

/** @throws DeviceError `E_ADDON_MISSING`, `E_ADDON_BROKEN`, `E_ISA…` */
export function addon(): NativeAddon {
  if (loaded) return loaded;
  const path = process.env["STATELINE_ADDON"] ?? join(packageRoot(), "build/Release/stateline.node");
  if (!existsSync(path)) {
    throw new DeviceError(
      "E_ADDON_MISSING",
      `the engine is not built (${path} is missing); run \`npm run install\` in ${packageRoot()}`,
      { path },
    );
  }
  try {
    loaded = createRequire(__filename)(path) as NativeAddon;
  } catch (error) {
    const converted = fromNative(error);
    if (converted !== error) throw converted;
    const reason = reasonOf(error);
    throw new DeviceError(
      "E_ADDON_BROKEN",
      `${path} cannot be loaded: ${reason}; run \`npm run install\` again`,
      { path },
      { cause: error },
    );
  }
  return loaded;
}
