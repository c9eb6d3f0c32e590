/** Program of the kernelspec: `node main.js <connection file>`. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { reasonOf } from "../../profiler-ui/trace/errors";
import { KernelError, readConnectionFile } from "./connection";
import { Kernel } from "./kernel";
import { watchParent } from "./parent-watch";
import type { KernelVersions } from "./requests";

/** Versions from the packages' manifests: loading the compiler to ask it would take too long. */
function versions(): KernelVersions {
  const version = (path: string): string => (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
  const tslab = createRequire(createRequire(__filename).resolve("tslab/package.json"));
  return {
    kernel: version(join(__dirname, "..", "..", "..", "package.json")),
    typescript: version(tslab.resolve("@tslab/typescript-for-tslab/package.json")),
  };
}

async function main(): Promise<void> {
  const path = process.argv[2];
  if (path === undefined) throw new KernelError("E_USAGE", "usage: node main.js <connection file>");
  const kernel = await Kernel.start(readConnectionFile(path), versions());
  process.on("SIGINT", () => undefined); // interrupts come as messages; ^C in a shared terminal is not for us
  process.on("SIGTERM", () => void kernel.close());
  watchParent(process.env, () => void kernel.close().finally(() => process.exit(0)));
  await kernel.serve();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`stateline kernel: ${reasonOf(error)}\n`);
    process.exit(1);
  },
);
