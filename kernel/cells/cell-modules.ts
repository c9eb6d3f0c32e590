/** Modules for cells: CommonJS and ES packages from the notebook's folder, the user's own files, this package and tslab. */
import Module, { createRequire, isBuiltin } from "node:module";
import { extname, join, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import vm from "node:vm";
import type { SideModule } from "./compiled-cell";
import { packageRoot } from "../api/package-root";

/** Errors that `require` gives where `import()` may still do. */
const IMPORT_ONLY = new Set(["ERR_REQUIRE_ESM", "ERR_REQUIRE_ASYNC_MODULE", "ERR_PACKAGE_PATH_NOT_EXPORTED"]);

const RELATIVE = /^\.\.?\//;

/** Node's own module class as far as it is not in its types. */
interface ModuleClass {
  new (id: string): Module & { paths: string[]; _compile(code: string, filename: string): void };
  _resolveFilename: (this: unknown, request: string, parent: unknown, ...rest: readonly unknown[]) => string;
  _nodeModulePaths(from: string): string[];
}
const NodeModule = Module as unknown as ModuleClass;

/** Makes `require("stateline")` and `require("tslab")` work in this process from any folder. */
export function installOwnModules(): void {
  const resolveFilename = NodeModule._resolveFilename;
  NodeModule._resolveFilename = function (this: unknown, request, ...rest): string {
    return resolveFilename.call(this, ownModule(request) ?? request, ...rest);
  };
}

function ownModule(request: string): string | undefined {
  if (request === "stateline") return packageRoot();
  if (request.startsWith("stateline/")) return join(packageRoot(), request.slice("stateline/".length));
  return request === "tslab" ? join(__dirname, "tslab-display") : undefined;
}

export class CellModules {
  readonly #require: NodeJS.Require;
  readonly #dynamicImport: (specifier: string, options?: unknown) => Promise<unknown>;
  /** `require` of a cell. */
  readonly require: NodeJS.Require;
  readonly #sources = new Map<string, string>();
  readonly #sideModules = new Map<string, Module>();
  /** Packages that only `import()` could load. */
  readonly #namespaces = new Map<string, unknown>();
  readonly #cwd: string;

  constructor(cwd: string) {
    this.#cwd = cwd;
    this.#require = createRequire(join(cwd, "cell.js"));
    // An import() compiled under a name in the notebook's folder resolves from there.
    this.#dynamicImport = vm.runInThisContext("(specifier, options) => import(specifier, options)", {
      filename: join(cwd, "cell.js"),
      importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    }) as (specifier: string, options?: unknown) => Promise<unknown>;
    const { resolve, cache, main, extensions } = this.#require;
    const own = (specifier: string): unknown => this.#requireFrom(this.#cwd, this.#require, specifier);
    this.require = Object.assign(own, { resolve, cache, main, extensions });
  }

  /** New versions of the user's own modules; the old ones are forgotten. */
  update(modules: readonly SideModule[]): void {
    for (const { path, javascript } of modules) this.#sources.set(path, javascript);
    // A module that imports a changed one has to be evaluated anew as well.
    if (modules.length > 0) this.#sideModules.clear();
  }

  /** Loads what `require` cannot; an error stays where it belongs, at the cell's own import. */
  async prepare(imports: readonly string[]): Promise<void> {
    for (const specifier of imports) {
      try {
        this.require(specifier);
      } catch (error) {
        if (!isImportOnly(error)) continue;
        const namespace = await this.#dynamicImport(specifier).catch(() => undefined);
        if (namespace !== undefined) this.#namespaces.set(specifier, asRequired(namespace as object));
      }
    }
  }

  /** `import()` of a cell. */
  readonly import = async (specifier: unknown, options?: unknown): Promise<unknown> => {
    const name = String(specifier);
    if (ownModule(name) !== undefined || this.#sidePath(this.#cwd, name) !== undefined) return this.require(name);
    const isRelative = RELATIVE.test(name);
    if (isRelative && extname(name) === ".json") {
      const data: unknown = this.require(name); // as an import statement takes it, which needs no options
      return { ...(data as object), default: data };
    }
    return this.#dynamicImport(isRelative ? pathToFileURL(resolve(this.#cwd, name)).href : name, options);
  };

  /** `import.meta.resolve` of a cell. */
  readonly resolve = (specifier: string): string => {
    const path = this.#require.resolve(specifier);
    if (!isBuiltin(path)) return pathToFileURL(path).href;
    return path.startsWith("node:") ? path : `node:${path}`;
  };

  #requireFrom(folder: string, fallback: NodeJS.Require, specifier: string): unknown {
    const path = this.#sidePath(folder, specifier);
    if (path !== undefined) return this.#loadSide(path);
    return this.#namespaces.get(specifier) ?? (fallback(specifier) as unknown);
  }

  #sidePath(folder: string, specifier: string): string | undefined {
    if (!RELATIVE.test(specifier)) return undefined;
    const path = join(folder, specifier).replace(/\.tsx?$/, ".js"); // what it was compiled to
    const candidates = extname(path) === ".js" ? [path] : [`${path}.js`, join(path, "index.js")];
    return candidates.find((candidate) => this.#sources.has(candidate));
  }

  #loadSide(path: string): unknown {
    const loaded = this.#sideModules.get(path);
    if (loaded !== undefined) return loaded.exports;
    const module = new NodeModule(path);
    module.filename = path;
    module.paths = NodeModule._nodeModulePaths(dirname(path));
    const own = createRequire(path);
    module.require = ((specifier: string) => this.#requireFrom(dirname(path), own, specifier)) as NodeJS.Require;
    this.#sideModules.set(path, module);
    module._compile(this.#sources.get(path) ?? "", path);
    return module.exports;
  }
}

function isImportOnly(error: unknown): boolean {
  return error instanceof Error && "code" in error && IMPORT_ONLY.has(String(error.code));
}

/** An ES namespace as compiled `import` statements want it from `require`: marked, so that `default` is its default export. */
function asRequired(namespace: object): object {
  if ("__esModule" in namespace) return namespace;
  const module = Object.create(null, { __esModule: { value: true } }) as object;
  for (const name of Object.keys(namespace))
    Object.defineProperty(module, name, { enumerable: true, get: (): unknown => Reflect.get(namespace, name) });
  return module;
}
