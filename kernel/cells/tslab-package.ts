/** tslab's package and what it depends on, wherever npm put them. */
import { createRequire } from "node:module";
import { dirname } from "node:path";

/** `require` as tslab's own files have it. */
export function requireFromTslab(): NodeJS.Require {
  return createRequire(createRequire(__filename).resolve("tslab"));
}

/** Folder of Node's type declarations that tslab depends on. */
export function nodeTypesRoot(): string {
  return dirname(dirname(requireFromTslab().resolve("@types/node/package.json")));
}
