/** Where the package lies: the folder above this file whose package.json is named "stateline". */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { StatelineError } from "../../profiler-ui/trace/errors";

let found: string | undefined;

/** The same from dist/ and, in tests, from the TypeScript sources. */
export function packageRoot(): string {
  for (let folder = __dirname; found === undefined; folder = dirname(folder)) {
    if (nameIn(folder) === "stateline") found = folder;
    else if (dirname(folder) === folder)
      throw new StatelineError("E_PACKAGE", `no package.json named "stateline" above ${__dirname}`);
  }
  return found;
}

/** Version in package.json. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string };
  return version;
}

function nameIn(folder: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { name?: string }).name;
  } catch {
    return undefined; // no package.json here: look further up
  }
}
