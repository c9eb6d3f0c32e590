/**
 * Kernelspecs: the folders by which Jupyter knows its kernels. Written without Jupyter or Python.
 *
 * Source: "Kernel specs" in jupyter-client's documentation, and jupyter_core's paths.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { reasonOf } from "../../profiler-ui/trace/errors";
import { makeFolder } from "../files/make-folder";
import { KernelError } from "./connection";
import { logoPng, logoSvg } from "./logo";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where to install: for this user, into the active Python environment, or under a given prefix. */
export type Place =
  { readonly kind: "user" } | { readonly kind: "sysPrefix" } | { readonly kind: "prefix"; readonly folder: string };

export interface KernelSpecOptions {
  readonly name: string;
  readonly displayName: string;
  /** Program of the kernel (dist/kernel/jupyter/main.js). */
  readonly program: string;
  /** Set for the kernel's process. */
  readonly env: Readonly<Record<string, string>>;
}

export interface InstalledKernel {
  readonly name: string;
  readonly displayName: string;
  readonly folder: string;
}

const SPEC_FILE = "kernel.json";
/** Not "." or "..", which are folders that are there already. */
const NAME = /^(?!\.+$)[A-Za-z0-9._-]+$/;

/** Folder that holds the kernels of a place. @throws KernelError `E_NO_PREFIX` without an active Python environment. */
export function kernelsFolder(place: Place, environment: Environment = process.env): string {
  switch (place.kind) {
    case "user":
      return join(userData(environment), "kernels");
    case "prefix":
      return join(resolve(place.folder), "share", "jupyter", "kernels");
    case "sysPrefix": {
      const prefix = environment["VIRTUAL_ENV"] ?? environment["CONDA_PREFIX"];
      if (prefix === undefined || prefix === "")
        throw new KernelError(
          "E_NO_PREFIX",
          "--sys-prefix needs an active Python environment, but VIRTUAL_ENV and CONDA_PREFIX are not set; activate one or give --prefix",
        );
      return join(prefix, "share", "jupyter", "kernels");
    }
  }
}

/**
 * Writes a kernelspec and returns its folder; one of ours with the same name is replaced.
 *
 * @throws KernelError `E_KERNEL_NAME`, `E_NOT_BUILT`, `E_KERNEL_TAKEN`, `E_KERNEL_FOLDER`
 */
export function installKernel(folder: string, { name, displayName, program, env }: KernelSpecOptions): string {
  checkName(name);
  if (!existsSync(program))
    throw new KernelError("E_NOT_BUILT", `${program} does not exist; build the package first (npm run build)`, {
      program,
    });
  const spec = {
    // Absolute paths: front ends start kernels with a PATH of their own.
    argv: [process.execPath, program, "{connection_file}"],
    display_name: displayName,
    language: "typescript",
    interrupt_mode: "message",
    kernel_protocol_version: "5.5",
    env,
    metadata: {},
  };
  const target = join(folder, name);
  const present = readSpec(target);
  if (present !== undefined && !isOurs(present))
    throw new KernelError("E_KERNEL_TAKEN", `${target} is another program's kernel; give this one another --name`, {
      folder: target,
    });
  try {
    makeFolder(target);
    writeFileSync(join(target, "logo-svg.svg"), logoSvg());
    for (const pixels of [32, 64]) writeFileSync(join(target, `logo-${pixels}x${pixels}.png`), logoPng(pixels));
    writeFileSync(join(target, SPEC_FILE), `${JSON.stringify(spec, undefined, 2)}\n`);
  } catch (error) {
    throw new KernelError("E_KERNEL_FOLDER", `${target} cannot be written: ${reasonOf(error)}`, { folder: target });
  }
  return target;
}

/** Removes a kernelspec of ours and returns its folder. @throws KernelError `E_KERNEL_NAME`, `E_NO_KERNEL`, `E_KERNEL_FOLDER` */
export function uninstallKernel(folder: string, name: string): string {
  checkName(name);
  const target = join(folder, name);
  const spec = readSpec(target);
  if (spec === undefined || !isOurs(spec)) {
    const why = spec === undefined ? "does not exist" : "is not a kernel of Stateline";
    throw new KernelError("E_NO_KERNEL", `${target} ${why}; stateline kernel list shows what is installed`, {
      name,
      folder,
    });
  }
  try {
    rmSync(target, { recursive: true });
  } catch (error) {
    throw new KernelError("E_KERNEL_FOLDER", `${target} cannot be removed: ${reasonOf(error)}`, { folder: target });
  }
  return target;
}

/** Kernels of ours where Jupyter looks for them. */
export function listKernels(environment: Environment = process.env): InstalledKernel[] {
  return searchPath(environment).flatMap((folder) => {
    if (!existsSync(folder)) return [];
    return readdirSync(folder).flatMap((name) => {
      const spec = readSpec(join(folder, name));
      if (spec === undefined || !isOurs(spec)) return [];
      return [{ name, displayName: String(spec["display_name"]), folder: join(folder, name) }];
    });
  });
}

/** Folders of kernels in Jupyter's order: JUPYTER_PATH, the user's, the active environment's, the system's. */
function searchPath(environment: Environment): string[] {
  const extra = (environment["JUPYTER_PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const prefixes = [environment["VIRTUAL_ENV"], environment["CONDA_PREFIX"], "/usr/local", "/usr"];
  const shared = prefixes.filter((prefix) => prefix !== undefined).map((prefix) => join(prefix, "share", "jupyter"));
  return [...new Set([...extra, userData(environment), ...shared])].map((folder) => join(folder, "kernels"));
}

function userData(environment: Environment): string {
  const given = environment["JUPYTER_DATA_DIR"];
  if (given !== undefined && given !== "") return given;
  const home = environment["HOME"] ?? homedir();
  if (process.platform === "darwin") return join(home, "Library", "Jupyter");
  if (process.platform === "win32") return join(environment["APPDATA"] ?? home, "jupyter");
  return join(environment["XDG_DATA_HOME"] ?? join(home, ".local", "share"), "jupyter");
}

function checkName(name: string): void {
  if (NAME.test(name)) return;
  const allowed = "have only ASCII letters, digits, '-', '.' and '_', and not be dots alone";
  throw new KernelError("E_KERNEL_NAME", `a kernel's name must ${allowed}, got ${JSON.stringify(name)}`, { name });
}

function readSpec(folder: string): Record<string, unknown> | undefined {
  const file = join(folder, SPEC_FILE);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  } catch {
    return {}; // a broken spec is somebody's, but not known to be ours
  }
}

function isOurs(spec: Record<string, unknown>): boolean {
  const argv: unknown = spec["argv"];
  return Array.isArray(argv) && argv.some((part) => /[\\/]kernel[\\/]jupyter[\\/]main\.js$/.test(String(part)));
}
