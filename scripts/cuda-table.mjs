// Registers, shared memory and spills of every CUDA kernel, from what ptxas said when the engine was built.
// --build names another build folder than the addon's. --write puts the table into docs/cuda.md; --check fails when a
// kernel spills or has static shared memory, an architecture was left out, or the page lacks a kernel or, where the
// compiler is the page's, has other numbers. --ran FOLDER fails when a kernel of the page is not among those that the
// tests on the CPU have listed there (native/test/cuda).
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ownNvcc } from "./nvcc.mjs";
import { fail, root } from "./lib.mjs";

const page = join(root, "docs/cuda.md");
/** That every check compiles for; sm_90's PTX serves later ones. */
const architectures = ["sm_80", "sm_86", "sm_89", "sm_90"];
const [begin, end] = ["<!-- kernels: begin -->", "<!-- kernels: end -->"];

/** Kernels as `{ name, arch, registers, shared, stack, spills }` from the text of one or more `ptxas -v`. */
export function parsePtxas(text) {
  const kernels = [];
  for (const block of text.split(/^ptxas info\s*: Compiling entry function /m).slice(1)) {
    const [, name, arch] = /^'([^']+)' for '([^']+)'/.exec(block) ?? [];
    const number = (pattern) => Number(pattern.exec(block)?.[1] ?? 0);
    kernels.push({
      name,
      arch,
      registers: number(/Used (\d+) registers/),
      shared: number(/(\d+) bytes smem/),
      stack: number(/(\d+) bytes stack frame/),
      spills: number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/),
    });
  }
  return kernels;
}

function readable(names) {
  const { stdout } = spawnSync("c++filt", [], { input: names.join("\n"), encoding: "utf8" });
  return stdout.split("\n").map((name) =>
    name
      .replace(/\(anonymous namespace\)::|stateline::cuda::|^void /g, "")
      .replace(/\((?:int|bool)\)/g, "")
      .replace(/>\([^]*$|(?<=^\w+)\([^]*$/, (text) => (text.startsWith(">") ? ">" : ""))
      .replaceAll("__nv_bfloat16", "bf16")
      .replaceAll("__half", "f16")
      .replaceAll("float", "f32"),
  );
}

/** All kernels of the engine as it was built last, by readable name. */
export function builtKernels(build = "build/cmake") {
  const folder = join(root, build);
  if (!existsSync(folder)) return [];
  const logs = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".cu.o.ptxas"),
  );
  const kernels = logs.flatMap((name) => parsePtxas(readFileSync(join(folder, name), "utf8")));
  const names = readable(kernels.map(({ name }) => name));
  return kernels.map((kernel, i) => ({ ...kernel, name: names[i] }));
}

const ordered = (values) => [...new Set(values)].sort();

function table(kernels) {
  const archs = ordered(kernels.map(({ arch }) => arch));
  const rows = ordered(kernels.map(({ name }) => name)).map((name) => {
    const own = archs.map((arch) => kernels.find((kernel) => kernel.name === name && kernel.arch === arch));
    const most = (field) => Math.max(...own.map((kernel) => kernel?.[field] ?? 0));
    return `| \`${name}\` | ${own.map((kernel) => kernel?.registers ?? "").join(" | ")} | ${most("stack")} | ${most("spills")} |`;
  });
  return [
    `| kernel | ${archs.join(" | ")} | stack | spills |`,
    `| --- | ${archs.map(() => "---: |").join(" ")} ---: | ---: |`,
    ...rows,
  ].join("\n");
}

/** Cells of a table's rows on kernels, whatever the width of its columns. */
const rowsOf = (text) => (text.match(/^\| `.*$/gm) ?? []).map((row) => row.replace(/\s+/g, " "));

/** Fails unless `page` is true of what was built. */
function check(kernels, page, build) {
  const archs = ordered(kernels.map(({ arch }) => arch));
  const left = architectures.filter((arch) => !archs.includes(arch));
  if (left.length > 0) fail(`No kernel was compiled for ${left.join(", ")}: is CUDAARCHS set?`);
  const missing = ordered(kernels.map(({ name }) => name)).filter((name) => !page.includes(`\`${name}\``));
  const renew = "run `node scripts/cuda-table.mjs --write`.";
  if (missing.length > 0) fail(`docs/cuda.md lacks ${missing.join(", ")}: ${renew}`);
  const sharing = ordered(kernels.filter(({ shared }) => shared > 0).map(({ name }) => name));
  if (sharing.length > 0) fail(`docs/cuda.md says that no kernel has static shared memory: ${sharing.join(", ")} has.`);
  const cache = join(root, build, "CMakeCache.txt");
  if (!existsSync(cache) || !readFileSync(cache, "utf8").includes(ownNvcc)) return; // other compilers, other numbers
  const written = rowsOf(page);
  const other = rowsOf(table(kernels)).filter((row) => !written.includes(row));
  if (other.length > 0) fail(`docs/cuda.md has other numbers than\n${other.join("\n")}\n${renew}`);
}

/** Readable names of the kernels that tests have listed in `folder`: lines of a program and a place in it. */
function listedKernels(folder) {
  const places = new Map();
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".kernels"))) {
    for (const line of readFileSync(join(folder, name), "utf8").trim().split("\n")) {
      const [program = "", place = ""] = line.split(" ");
      places.set(program, (places.get(program) ?? new Set()).add(parseInt(place, 16)));
    }
  }
  const symbols = [...places].flatMap(([program, wanted]) => {
    const { stdout } = spawnSync("nm", ["--defined-only", program], { encoding: "utf8", maxBuffer: 1 << 28 });
    const lines = stdout.split("\n").map((line) => line.split(" "));
    return lines.filter(([place = ""]) => wanted.has(parseInt(place, 16))).map(([, , symbol = ""]) => symbol);
  });
  return new Set(readable(symbols));
}

/** Fails unless the tests on the CPU ran every kernel of `page`. */
function checkRan(folder, page) {
  const ran = listedKernels(folder);
  const all = rowsOf(page.slice(page.indexOf(begin))).map((row) => row.split("`")[1] ?? "");
  const left = all.filter((name) => !ran.has(name));
  if (left.length > 0) fail(`No test on the CPU runs ${left.join(", ")}.`);
  process.stdout.write(`${all.length} of ${all.length} CUDA kernels ran on the CPU, beside the plain reference\n`);
}

const argument = (name) => process.argv[process.argv.indexOf(name) + 1 || process.argv.length];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = argument("--ran");
  if (folder) {
    checkRan(join(root, folder), readFileSync(page, "utf8"));
    process.exit();
  }
  const build = argument("--build") ?? "build/cmake";
  const kernels = builtKernels(build);
  if (kernels.length === 0) fail(`No CUDA kernel has been compiled in ${build}: run \`npm run build:cuda\` first.`);
  const text = readFileSync(page, "utf8");
  if (process.argv.includes("--write")) {
    const [before, after] = [text.split(begin)[0], text.split(end)[1]];
    writeFileSync(page, `${before}${begin}\n\n${table(kernels)}\n\n${end}${after}`);
  }
  const spilling = kernels.filter(({ spills }) => spills > 0);
  if (spilling.length > 0)
    fail(
      `These kernels spill registers:\n${spilling.map((k) => `  ${k.name} on ${k.arch}: ${k.spills} bytes`).join("\n")}`,
    );
  if (process.argv.includes("--check")) check(kernels, text, build);
  process.stdout.write(
    `${kernels.length} CUDA kernels for ${ordered(kernels.map(({ arch }) => arch)).join(", ")}, none spilling\n`,
  );
}
