// npm run lab: JupyterLab on notebooks/ with the kernel registered; installs and builds what is missing. Arguments go to JupyterLab.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ensureBuilt } from "./ensure.mjs";
import { root, run } from "./lib.mjs";
import { ensureLab } from "./python-env.mjs";

await ensureBuilt();
const { python, env } = ensureLab();
const prefix = join(root, ".venv");
run(process.execPath, [join(root, "dist/kernel/cli/main.js"), "kernel", "install", "--prefix", prefix]);

const asRoot = process.getuid?.() === 0 ? ["--allow-root"] : [];
const args = [
  "-m",
  "jupyterlab",
  `--ServerApp.root_dir=${join(root, "notebooks")}`,
  ...asRoot,
  ...process.argv.slice(2),
];
const paths = [join(prefix, "share/jupyter"), process.env.JUPYTER_PATH].filter(Boolean);
const lab = spawn(python, args, {
  stdio: "inherit",
  env: { ...process.env, ...env, JUPYTER_PATH: paths.join(process.platform === "win32" ? ";" : ":") },
});
// Ctrl+C reaches JupyterLab too, as it is in this process group; it asks whether it should end.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => lab.kill("SIGTERM"));
lab.on("error", (error) => {
  process.stderr.write(`JupyterLab could not be started: ${error.message}\n`);
  process.exit(1);
});
lab.on("exit", (code) => process.exit(code ?? 1));
