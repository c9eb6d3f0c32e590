// A Python environment of the project's own (.venv) with the Jupyter clients that tests, notebooks and benchmarks use.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, pipInstall, root } from "./lib.mjs";

/** Pinned, since a client's new release must not change what our tests say. */
const packages = [
  "jupyter_client==8.10.0",
  "jupyter_kernel_test==0.7.0",
  "nbclient==0.11.0",
  "nbconvert==7.17.2",
  "nbformat==5.11.1",
];

/** For `npm run lab`, for the tests of its page and of the console, and as the benchmarks' peer. */
const labPackages = ["jupyterlab==4.6.6", "ipykernel==7.4.0", "jupyter-console==6.6.3"];

const folder = join(root, ".venv");
const stamp = join(folder, "stateline-packages.txt");
const labStamp = join(folder, "stateline-lab-packages.txt");
const library = join(folder, "packages"); // only where venv is missing
const venvPython = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] }).status === 0;
}

function systemPython() {
  for (const name of [process.env.PYTHON, "python3", "python"].filter(Boolean))
    if (spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0) return name;
  fail(
    "Python 3 is needed for the Jupyter tests: install it (apt-get install python3 python3-venv), or set PYTHON to its path",
  );
}

/** Debian keeps venv's pip in a package of its own: without it the packages go into a plain folder. */
function install(python) {
  if (succeeds(python, ["-c", "import venv, ensurepip"]) && succeeds(python, ["-m", "venv", folder]))
    return pipInstall(venvPython, ...packages);
  mkdirSync(library, { recursive: true });
  return pipInstall(python, "--target", library, ...packages);
}

function environment() {
  if (existsSync(venvPython)) return { python: venvPython, env: {} };
  return { python: systemPython(), env: { PYTHONPATH: library, JUPYTERLAB_DIR: join(library, "share/jupyter/lab") } };
}

/** `{ python, env }`: how to start a Python that has the packages. Made when missing or outdated, else quick. */
export function ensurePython() {
  const wanted = packages.join("\n");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return environment();
  process.stdout.write("Installing Jupyter clients into .venv …\n");
  rmSync(folder, { recursive: true, force: true });
  if (!install(systemPython()))
    fail("The Jupyter clients could not be installed into .venv by pip; its message is above");
  writeFileSync(stamp, wanted);
  return environment();
}

/** The same Python with JupyterLab and ipykernel. */
export function ensureLab() {
  const { python, env } = ensurePython();
  const wanted = labPackages.join("\n");
  if (existsSync(labStamp) && readFileSync(labStamp, "utf8") === wanted) return { python, env };
  process.stdout.write("Installing JupyterLab into .venv …\n");
  const where = existsSync(venvPython) ? [] : ["--target", library];
  if (!pipInstall(python, ...where, ...labPackages))
    fail("JupyterLab could not be installed into .venv by pip; its message is above");
  writeFileSync(labStamp, wanted);
  return { python, env };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = process.argv.includes("--lab") ? ensureLab() : ensurePython();
  process.stdout.write(`${JSON.stringify(made)}\n`);
}
