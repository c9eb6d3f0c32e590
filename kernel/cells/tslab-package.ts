/** tslab's package and what it depends on, wherever npm put them. */
import { createRequire } from "node:module";
import { dirname } from "node:path";

/** `require` as tslab's own files have it. */
export function requireFromTslab(): NodeJS.Require {
  return createRequire(createRequire(__filename).resolve("tslab"));
}

/** Folder of Node's type declarations: of the oldest Node that we run on, where tslab's are two versions older. */
export function nodeTypesRoot(): string {
  return dirname(dirname(require.resolve("@types/node/package.json")));
}
