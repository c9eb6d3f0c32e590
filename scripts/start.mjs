// npm start: installs and builds what is missing, then runs `stateline start` with the arguments given.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ensureBuilt } from "./ensure.mjs";
import { root } from "./lib.mjs";

await ensureBuilt();
const demo = spawn(process.execPath, [join(root, "dist/kernel/cli/main.js"), "start", ...process.argv.slice(2)], {
  stdio: "inherit",
});
// Ctrl+C reaches the demo too, as it is in this process group; it ends by itself and gives its exit code.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => demo.kill("SIGTERM"));
demo.on("exit", (code) => process.exit(code ?? 1));
