/** What this machine can do for Stateline, and what to do about what is missing. */

import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { cpus, freemem, homedir, totalmem } from "node:os";
import { delimiter, dirname, join } from "node:path";

import { formatBytes } from "../../profiler-ui/trace/format";
import { addon } from "./addon";
import { drawable } from "./display";
import { htmlTable, textTable, type Table } from "./draw/table";
import { StatelineError } from "./errors";
import { packageVersion } from "./package-root";

/** `todo` says what to do; null where nothing is missing. */
export interface Finding {
  readonly todo: string | null;
}

/** What is not ours and comes with a version. */
interface Library extends Finding {
  readonly available: boolean;
  readonly version: string | null;
}

export interface Health {
  readonly versions: { readonly stateline: string; readonly node: string };
  /** `isa`: the kernels in use, null when the engine is not built; `isas`: all that this CPU can run. */
  readonly cpu: Finding & {
    readonly model: string;
    readonly isa: string | null;
    readonly isas: readonly string[];
    readonly cores: number;
  };
  readonly memory: Finding & { readonly totalBytes: number; readonly freeBytes: number };
  readonly cuda: Finding & {
    readonly compiled: boolean;
    readonly architectures: readonly string[];
    readonly gpus: readonly string[];
  };
  /** NVIDIA's; its version is that of the CUDA which it serves. */
  readonly driver: Library;
  /** What multiplies many rows on GPUs. `library`: the file that is opened. */
  readonly cublas: Library & { readonly library: string | null };
  readonly nccl: Library;
  readonly mpi: Finding & { readonly available: boolean; readonly launcher: string | null };
  /** `command`: jupyter on PATH; `kernelspec`: the folder of the installed kernel. */
  readonly jupyter: Finding & { readonly command: string | null; readonly kernelspec: string | null };
  /** For screenshots and the browser tests. */
  readonly chromium: Finding & { readonly path: string | null };
}

export function doctor(): Promise<Health> {
  const health: Health = {
    versions: { stateline: packageVersion(), node: process.versions.node },
    cpu: examineCpu(),
    memory: { totalBytes: totalmem(), freeBytes: freemem(), todo: null },
    ...examineGpus(),
    mpi: examineMpi(),
    jupyter: examineJupyter(),
    chromium: examineChromium(),
  };
  const table = healthTable(health);
  return Promise.resolve(drawable(health, () => ({ "text/plain": textTable(table), "text/html": htmlTable(table) })));
}

function examineCpu(): Health["cpu"] {
  const model = cpus()[0]?.model.trim() ?? "";
  try {
    const { isa, isas, cores } = addon().cpuInfo();
    return { model, isa, isas, cores, todo: null };
  } catch (error) {
    if (!(error instanceof StatelineError)) throw error;
    return { model, isa: null, isas: [], cores: cpus().length, todo: error.message };
  }
}

function examineGpus(): Pick<Health, "cuda" | "driver" | "cublas" | "nccl"> {
  try {
    const { compiled, architectures, gpus, problem, ...found } = addon().cudaInfo();
    const names = gpus.map((gpu) => gpu.problem || `${gpu.name}, ${formatBytes(gpu.memoryBytes)}`);
    return {
      cuda: { compiled, architectures, gpus: names, todo: problem || null },
      driver: library(found.driver, found.driverProblem),
      cublas: { ...library(found.cublas, found.cublasProblem), library: found.cublasFile || null },
      nccl: library(found.nccl, found.ncclProblem),
    };
  } catch (error) {
    if (!(error instanceof StatelineError)) throw error;
    const missing = library("", error.message);
    return {
      cuda: { compiled: false, architectures: [], gpus: [], todo: error.message },
      driver: missing,
      cublas: { ...missing, library: null },
      nccl: missing,
    };
  }
}

function library(version: string, problem: string): Library {
  return { available: version !== "" && problem === "", version: version || null, todo: problem || null };
}

function examineMpi(): Health["mpi"] {
  const launcher = onPath("mpirun", "mpiexec");
  return { available: false, launcher, todo: "ranks run in one process; MPI is not used by this build" };
}

function examineJupyter(): Health["jupyter"] {
  const command = onPath("jupyter");
  const kernelspec = installedKernel(command);
  const missing = [
    command ? "" : "install Jupyter (pip install jupyterlab), or open notebooks in VS Code",
    kernelspec ? "" : "run `stateline kernel install`",
  ].filter(Boolean);
  return { command, kernelspec, todo: missing.join("; ") || null };
}

/** Folder of a kernelspec that starts Stateline, in the places where Jupyter looks. */
function installedKernel(jupyter: string | null): string | null {
  const { JUPYTER_PATH = "", JUPYTER_DATA_DIR = "", VIRTUAL_ENV = "", CONDA_PREFIX = "" } = process.env;
  const prefixes = [
    VIRTUAL_ENV,
    CONDA_PREFIX,
    jupyter ? dirname(dirname(realpathSync(jupyter))) : "",
    "/usr/local",
    "/usr",
  ];
  const { XDG_DATA_HOME = join(homedir(), ".local/share") } = process.env;
  const userData = process.platform === "darwin" ? join(homedir(), "Library/Jupyter") : join(XDG_DATA_HOME, "jupyter");
  const data = [
    ...JUPYTER_PATH.split(delimiter),
    JUPYTER_DATA_DIR || userData,
    ...prefixes.filter(Boolean).map((prefix) => join(prefix, "share/jupyter")),
  ];
  for (const kernels of data.filter(Boolean).map((folder) => join(folder, "kernels"))) {
    if (!existsSync(kernels)) continue;
    const found = readdirSync(kernels).find((name) => startsStateline(join(kernels, name, "kernel.json")));
    if (found) return join(kernels, found);
  }
  return null;
}

function startsStateline(path: string): boolean {
  try {
    const { argv } = JSON.parse(readFileSync(path, "utf8")) as { readonly argv?: unknown };
    return Array.isArray(argv) && argv.some((part) => /[\\/]kernel[\\/]jupyter[\\/]main\.js$/.test(String(part)));
  } catch {
    return false; // another program's kernelspec, broken or not readable: not ours
  }
}

function examineChromium(): Health["chromium"] {
  const path = onPath("chromium", "chromium-browser", "google-chrome", "google-chrome-stable");
  return { path, todo: path ? null : "only the browser tests need it: install the package chromium" };
}

function onPath(...names: readonly string[]): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter(Boolean);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find((path) => existsSync(path)) ?? null;
}

function healthTable({ versions, cpu, memory, cuda, driver, cublas, nccl, mpi, jupyter, chromium }: Health): Table {
  const said = new Set<string>();
  /** What several lack for one reason is said once. */
  const row = (name: string, state: string, { todo }: Finding): string[] => {
    const note = todo === null || said.has(todo) ? "" : todo;
    said.add(note);
    return [name, state, note];
  };
  return {
    columns: [{ title: "" }, { title: "here" }, { title: "note" }],
    rows: [
      ["stateline", versions.stateline, `Node ${versions.node}`],
      row("cpu", cpu.isa ? `${cpu.isa} (of ${cpu.isas.join(", ")}), ${cpu.cores} cores` : "engine not built", cpu),
      row("memory", `${formatBytes(memory.totalBytes)}, ${formatBytes(memory.freeBytes)} free`, memory),
      row("driver", driver.version ? `serves CUDA ${driver.version}` : "no", driver),
      row("cuda", cuda.compiled ? cuda.gpus.join("; ") || "compiled, no GPU" : "not compiled", cuda),
      row("cublas", cublas.version ? `${cublas.version}, ${cublas.library ?? ""}` : "no", cublas),
      row("nccl", nccl.version ?? "no", nccl),
      row("mpi", mpi.launcher ?? "no", mpi),
      row("jupyter", [jupyter.command ?? "no jupyter", jupyter.kernelspec ?? "no kernelspec"].join(", "), jupyter),
      row("chromium", chromium.path ?? "no", chromium),
    ],
  };
}
