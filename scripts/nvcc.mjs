// NVIDIA's compiler: where the build finds one, and how one from PyPI comes into build/cuda. No driver and no GPU are needed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipInstall, root } from "./lib.mjs";

/** Pinned: the table of registers in docs/cuda.md is this compiler's. */
const packages = [
  "nvidia-cuda-nvcc==13.0.88",
  "nvidia-cuda-crt==13.0.88",
  "nvidia-nvvm==13.0.88",
  "nvidia-cuda-runtime==13.0.96",
  "nvidia-cuda-cccl==13.0.85",
];

/** What `isDone` watches: an engine built before the compiler came has no CUDA. */
export const cudaStamp = "build/cuda/packages.txt";

const folder = join(root, "build/cuda");
/** The pinned one, where the machine had none. */
export const ownNvcc = join(folder, "nvidia/cu13/bin/nvcc");

const runs = (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;

/** An nvcc that the build will find, or undefined. */
export function findNvcc() {
  const { CUDA_HOME, CUDA_PATH } = process.env;
  const places = [CUDA_HOME, CUDA_PATH].filter(Boolean).map((home) => join(home, "bin/nvcc"));
  return [...places, "nvcc", ownNvcc, "/usr/local/cuda/bin/nvcc"].find(runs);
}

/** A Python with pip: where the system's has none, as Debian's, that of a venv. */
function pythonWithPip() {
  const python = [process.env.PYTHON, "python3", "python"].filter(Boolean).find(runs);
  if (!python || spawnSync(python, ["-m", "pip", "--version"], { stdio: "ignore" }).status === 0) return python;
  const venv = join(folder, "pip");
  return spawnSync(python, ["-m", "venv", venv], { stdio: "ignore" }).status === 0
    ? join(venv, "bin/python")
    : undefined;
}

/** Brings an nvcc; false, with a line on stderr, where that is not possible. */
export function ensureNvcc() {
  const wanted = packages.join("\n");
  const nvcc = findNvcc();
  if (nvcc && nvcc !== ownNvcc) return true;
  const stamp = join(root, cudaStamp);
  if (nvcc && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return true;
  process.stdout.write("Installing NVIDIA's compiler into build/cuda …\n");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const python = pythonWithPip();
  if (!python || !pipInstall(python, "--target", folder, ...packages)) {
    process.stderr.write(
      "CUDA cannot be compiled here: there is no nvcc on PATH or in CUDA_HOME, and pip could not install one into build/cuda.\n",
    );
    return false;
  }
  symlinkSync("lib", join(folder, "nvidia/cu13/lib64")); // where nvcc looks for its libraries
  rmSync(join(root, "build/cmake/CMakeCache.txt"), { force: true }); // configured without it
  writeFileSync(stamp, wanted);
  return true;
}
